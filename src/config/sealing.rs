//! Reads the file with the sealing keys: here and not in `token`, which does no I/O.

use std::path::Path;

use crate::fault::Fault;
use crate::token::seal::SealingKeys;

/// A larger file is some other file.
const BYTES_MAX: usize = 64 * 1024;

impl SealingKeys {
    /// Reads the key file: see [`parse`](Self::parse). A key is made by
    /// `printf 'k1:%s\n' "$(openssl rand -hex 32)"`.
    ///
    /// # Errors
    /// When it is no regular file, cannot be read, is larger than 64 KiB, or is not a list of
    /// keys.
    pub fn load(sealing_key_file: &Path) -> Result<Self, Fault> {
        let read = super::keys::read_bounded(sealing_key_file, BYTES_MAX);
        let bytes = read.map_err(|message| Fault::new(sealing_key_file, message))?;
        if bytes.len() > BYTES_MAX {
            return Err(Fault::new(
                sealing_key_file,
                "is too large for a list of keys",
            ));
        }
        let text: &str = std::str::from_utf8(&bytes)
            .map_err(|_| Fault::new(sealing_key_file, "is not UTF-8"))?;
        Self::parse(text).map_err(|bad| Fault {
            place: Some((bad.line, 1)),
            ..Fault::new(sealing_key_file, bad.to_string())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_read_and_its_faults_have_their_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("sealing.keys");
        let load = |content: &[u8]| {
            std::fs::write(&file, content).expect("a file");
            SealingKeys::load(&file)
                .map(drop)
                .map_err(|fault| fault.place)
        };
        let key = format!("k1:{}\n", "0a".repeat(32));
        assert_eq!(load(key.as_bytes()), Ok(()));
        assert_eq!(load(format!("{key}x\n").as_bytes()), Err(Some((2, 1))));
        assert_eq!(load(b"\xff"), Err(None));
        assert_eq!(load(&vec![b'\n'; BYTES_MAX + 1]), Err(None));
        assert!(SealingKeys::load(folder.path()).is_err());
    }
}
