//! Errors as text. Pure.

/// The messages of an error and its sources in one line: `read the ConfigMap x: connection refused`.
pub fn error_chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        // The message of the API server is complete; the errors around it repeat it.
        let (part, is_last) = match api_error(error) {
            Some(kube::Error::Api(status)) => (status.message.clone(), true),
            _ => (error.to_string(), false),
        };
        // Some libraries repeat the message of their source.
        if !text.ends_with(&part) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&part);
        }
        next = if is_last { None } else { error.source() };
    }
    text
}

/// The error may be boxed.
fn api_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a kube::Error> {
    let boxed = || error.downcast_ref::<Box<kube::Error>>().map(AsRef::as_ref);
    error.downcast_ref::<kube::Error>().or_else(boxed)
}

#[cfg(test)]
mod tests;
