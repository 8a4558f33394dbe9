use std::io::Write as _;

use http_body_util::BodyExt as _;

use super::*;

#[tokio::test]
async fn the_body_is_sent_in_chunks() {
    for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7] {
        let bytes: Vec<u8> = (0..length)
            .map(|n| u8::try_from(n % 251).unwrap())
            .collect();
        let mut body = ChunkedBody::default();
        for part in bytes.chunks(1000) {
            body.write_all(part).unwrap();
        }
        assert_eq!(body.size_hint().exact(), u64::try_from(length).ok());
        assert_eq!(body.is_end_stream(), length == 0);
        assert!(body.full.iter().all(|chunk| chunk.len() == CHUNK));
        let collected = body.collect().await.unwrap().to_bytes();
        assert_eq!(collected, bytes);
    }
}
