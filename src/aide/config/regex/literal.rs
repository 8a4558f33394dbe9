//! The literal parts of an expression. Pure.

/// Whether the expression has no special characters except escaped ones.
pub(in crate::aide::config) fn is_literal(regex: &str) -> bool {
    split_literal(regex).1.is_empty()
}

/// The text that all matches start with.
pub(in crate::aide::config) fn literal_prefix(regex: &str) -> String {
    split_literal(regex).0
}

/// Splits an expression into the text that all matches start with, and the rest of the expression.
pub(in crate::aide::config) fn split_literal(regex: &str) -> (String, &str) {
    let mut prefix = String::new();
    let mut chars = regex.char_indices().peekable();
    let mut last = 0;
    while let Some((at, c)) = chars.next() {
        let c = match c {
            '\\' => match chars.peek().copied() {
                Some((_, escaped)) if escaped.is_ascii_punctuation() || escaped == ' ' => {
                    chars.next();
                    escaped
                }
                _ => return (prefix, &regex[at..]),
            },
            '^' | '$' | '.' | '[' | '(' | ')' | '|' | '?' | '*' | '+' | '{' => {
                if matches!(c, '?' | '*' | '+' | '{') {
                    prefix.pop();
                    return (prefix, &regex[last..]);
                }
                return (prefix, &regex[at..]);
            }
            c => c,
        };
        last = at;
        prefix.push(c);
    }
    (prefix, "")
}

/// The text that all matches of an expression end with, if the expression ends with `$`.
pub(in crate::aide::config) fn literal_suffix(regex: &str) -> String {
    let Some(path) = regex.strip_suffix('$') else {
        return String::new();
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '~' | '-' | '_' | '/');
    let length: usize = path
        .chars()
        .rev()
        .take_while(|&c| plain(c))
        .map(char::len_utf8)
        .sum();
    let (before, end) = path.split_at(path.len() - length);
    // `\d` is not `d`.
    let skip = usize::from(before.ends_with('\\')).min(end.len());
    end[skip..].to_owned()
}

/// The directory under which AIDE stores a rule in its tree (`strrxtok` of seltree.c).
pub(in crate::aide::config) fn node(regex: &str) -> String {
    let mut path = String::new();
    let mut last_slash = 0;
    let mut chars = regex.chars().skip(1);
    path.push('/');
    while let Some(c) = chars.next() {
        match c {
            '(' | '^' | '$' | '?' | '*' | '[' => break,
            '\\' => path.extend(chars.next()),
            '/' => {
                last_slash = path.len();
                path.push(c);
            }
            _ => path.push(c),
        }
    }
    path.truncate(last_slash.max(1));
    path
}

#[cfg(test)]
mod tests;
