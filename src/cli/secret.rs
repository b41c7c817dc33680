//! One secret from where it is not seen: a file, standard input, or a terminal that shows
//! nothing of what is typed. Never from the command line, which every user can list.

use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::token::Secret;

/// A longer secret is some other file.
const MAX_SECRET: usize = 1024;

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be read.
    #[error("cannot read the secret")]
    Input(#[source] io::Error),
    /// There was nothing before the line end.
    #[error("the secret is empty")]
    Empty,
    /// More than 1,024 bytes.
    #[error("the secret is longer than {MAX_SECRET} bytes")]
    TooLong,
    /// HTTP Basic cannot carry it (RFC 7617, section 2).
    #[error("the secret has a control character, which HTTP Basic cannot carry")]
    Control,
}

/// Asks at a terminal, and reads anything else to its end. `input` is best unbuffered: a
/// buffer would keep the secret unwiped.
///
/// # Errors
/// [`Error`].
pub(super) fn read_or_ask(input: &mut (impl Read + AsFd), prompt: &str) -> Result<Secret, Error> {
    if input.as_fd().is_terminal() {
        ask(input, prompt)
    } else {
        read(input)
    }
}

/// Asks on standard error, so that standard output has the result alone.
///
/// # Errors
/// [`Error`].
pub(super) fn ask(terminal: &mut (impl Read + AsFd), prompt: &str) -> Result<Secret, Error> {
    let mut screen = io::stderr();
    write!(screen, "{prompt}").map_err(Error::Input)?;
    let hidden = Hidden::start(terminal).map_err(Error::Input)?;
    let line = read_until(terminal, |line| line.ends_with(b"\n"));
    drop(hidden);
    // The terminal showed nothing of the line, its end included.
    writeln!(screen).map_err(Error::Input)?;
    secret(&line?)
}

/// Reads to the end, of which one line end is no part.
///
/// # Errors
/// [`Error`].
pub(super) fn read(input: &mut impl Read) -> Result<Secret, Error> {
    secret(&read_until(input, |_| false)?)
}

/// Reads to the end, to where `is_enough`, or to where it is too much.
fn read_until(
    input: &mut impl Read,
    is_enough: impl Fn(&[u8]) -> bool,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    // A secret, a line end, and one byte to tell that it is too long; never moved, so
    // that wiping it wipes it all.
    let mut bytes = Zeroizing::new(vec![0; MAX_SECRET + 3]);
    let mut length = 0;
    while let Some(free @ [_, ..]) = bytes.get_mut(length..) {
        match input.read(free) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::Input(error)),
        }
        if is_enough(bytes.get(..length).unwrap_or_default()) {
            break;
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

fn secret(bytes: &[u8]) -> Result<Secret, Error> {
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        Err(Error::Empty)
    } else if line.len() > MAX_SECRET {
        Err(Error::TooLong)
    } else if line.iter().any(u8::is_ascii_control) {
        Err(Error::Control)
    } else {
        Ok(Secret::copy_of(line))
    }
}

/// A terminal that shows nothing of what is typed, until this is dropped.
struct Hidden {
    terminal: OwnedFd,
    before: Termios,
}

impl Hidden {
    fn start(terminal: &impl AsFd) -> io::Result<Self> {
        let terminal = terminal.as_fd().try_clone_to_owned()?;
        let before = tcgetattr(&terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_from(input: &[u8]) -> Result<Vec<u8>, Error> {
        read(&mut &*input).map(|secret| secret.expose().to_vec())
    }

    #[test]
    fn one_line_end_is_dropped() {
        for input in [&b"s3cret"[..], b"s3cret\n", b"s3cret\r\n", b"s3cret\r"] {
            assert_eq!(read_from(input).unwrap(), b"s3cret");
        }
        assert_eq!(read_from(b" s3 cret \n").unwrap(), b" s3 cret ");
    }

    #[test]
    fn nothing_is_no_secret() {
        for input in [&b""[..], b"\n", b"\r\n"] {
            assert!(matches!(read_from(input), Err(Error::Empty)));
        }
    }

    #[test]
    fn what_basic_cannot_carry_is_refused() {
        for input in [&b"a\n\n"[..], b"a\nb", b"a\tb", b"\0", b"a\x7f"] {
            assert!(matches!(read_from(input), Err(Error::Control)), "{input:?}");
        }
    }

    #[test]
    fn the_bound_is_1_kib_without_the_line_end() {
        let mut longest = vec![b'x'; MAX_SECRET];
        assert_eq!(read_from(&longest).unwrap().len(), MAX_SECRET);
        longest.extend(b"\r\n");
        assert_eq!(read_from(&longest).unwrap().len(), MAX_SECRET);
        for length in [MAX_SECRET + 1, MAX_SECRET + 2, MAX_SECRET * 100] {
            assert!(matches!(
                read_from(&vec![b'x'; length]),
                Err(Error::TooLong)
            ));
        }
    }
}
