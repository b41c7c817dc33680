//! The requests that a run sends at random, as the bytes of their heads.

use std::path::Path;

/// Reads a file of lines `METHOD TARGET AUTHORIZATION`, the last with its scheme.
///
/// # Errors
/// When the file cannot be read or holds no request.
pub fn load(path: &Path, host: &str) -> std::io::Result<Vec<Vec<u8>>> {
    let text = std::fs::read_to_string(path)?;
    let heads: Vec<_> = text.lines().filter_map(|line| head(line, host)).collect();
    if heads.is_empty() {
        return Err(std::io::Error::other("a file without a request"));
    }
    Ok(heads)
}

fn head(line: &str, host: &str) -> Option<Vec<u8>> {
    let mut words = line.splitn(3, ' ');
    let (method, target, authorization) = (words.next()?, words.next()?, words.next()?);
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {authorization}\r\n\r\n"
    );
    Some(head.into_bytes())
}
