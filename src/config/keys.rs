//! Reads the file with the HMAC key: here and not in `auth`, which does no I/O.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use zeroize::Zeroizing;

use crate::auth::Keys;
use crate::fault::Fault;

/// The shortest HMAC key in bytes: as long as the digest, RFC 2104 section 3.
const MIN_KEY: usize = 32;
/// The longest HMAC key in bytes; a longer file is some other file.
const MAX_KEY: usize = 4096;

impl Keys {
    /// Reads the key file: its bytes as they are, less one line end at the end. As
    /// `openssl rand -hex 32` writes one.
    ///
    /// # Errors
    /// When it is no regular file, cannot be read, or holds fewer than 32 or more than
    /// 4,096 bytes.
    pub fn load(hmac_key_file: Option<&Path>) -> Result<Self, Fault> {
        let key = hmac_key_file
            .map(|file| read(file).map_err(|message| Fault::new(file, message)))
            .transpose()?;
        Ok(Self::new(key.as_ref().map(|key| key.as_slice())))
    }
}

/// Reads a file of secrets up to a few bytes beyond the most that it may hold, so that a
/// longer one shows.
pub(super) fn read_bounded(file: &Path, most: usize) -> Result<Zeroizing<Vec<u8>>, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    // Looked at before it is opened, for opening a FIFO waits for its writer.
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err("is not a regular file".into());
    }
    // Room for more than is read: growing would leave a part of the key behind unwiped.
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 * most));
    // The most, a line end, and one byte more to see that it is longer.
    File::open(file)
        .and_then(|opened| opened.take(most as u64 + 3).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    Ok(bytes)
}

fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let mut key = read_bounded(file, MAX_KEY)?;
    if key.pop_if(|last| *last == b'\n').is_some() {
        key.pop_if(|last| *last == b'\r');
    }
    if key.len() < MIN_KEY {
        return Err(format!("holds a key of fewer than {MIN_KEY} bytes"));
    }
    if key.len() > MAX_KEY {
        return Err(format!("holds a key of more than {MAX_KEY} bytes"));
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::token::Secret;

    const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

    #[test]
    fn a_key_file_is_its_bytes_less_one_line_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("key");
        let secret = Secret::copy_of(b"x");
        let load = |content: &[u8]| {
            fs::write(&file, content).expect("a file");
            Keys::load(Some(&file)).map(|keys| keys.digest(&secret))
        };
        let expected = Keys::new(Some(KEY)).digest(&secret);
        for end in [&b""[..], b"\n", b"\r\n"] {
            assert_eq!(load(&[KEY, end].concat()), Ok(expected.clone()));
        }
        let carriage_return = Keys::new(Some(&[KEY, b"\r"].concat())).digest(&secret);
        assert_eq!(load(&[KEY, b"\r"].concat()), Ok(carriage_return));
        let two_ends = Keys::new(Some(&[KEY, b"\n"].concat())).digest(&secret);
        assert_eq!(load(&[KEY, b"\n\n"].concat()), Ok(two_ends));
        assert!(load(&[7; MAX_KEY]).is_ok());
        assert!(load(&[&[7; MAX_KEY][..], b"\r\n"].concat()).is_ok());
        for bad in [&b""[..], b"\n", &KEY[1..], &[7; MAX_KEY + 1], &[7; 9999]] {
            let fault = load(bad).expect_err("a fault");
            assert_eq!(fault.file, file);
        }
    }

    #[test]
    fn what_is_no_key_file_is_a_fault() {
        let folder = tempfile::tempdir().expect("a folder");
        for file in [folder.path().to_owned(), folder.path().join("absent")] {
            assert!(Keys::load(Some(&file)).is_err());
        }
        assert!(!Keys::load(None).expect("no file, no fault").has_hmac());
    }
}
