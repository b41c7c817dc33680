//! Asks before a token stops working, or changes what it may call.

use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};

use clap::Args;
use http::{HeaderValue, Method};

use super::Subject;
use super::view::View;
use crate::cli::client::{Call, Client};
use crate::cli::{Error as CommandError, stdin};

/// Bytes of an answer: "yes" and a line end, and room for what means no.
const MAX_REPLY: u64 = 64;

/// Whether to ask.
#[derive(Debug, Args)]
pub(super) struct Confirm {
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody is there to be asked.
    #[error("nothing was done: this asks first, and standard input is no terminal; give --yes")]
    NoTerminal,
    /// Somebody was asked and did not say yes.
    #[error("nothing was done")]
    Declined,
    /// The terminal is gone.
    #[error("nothing was done: cannot ask")]
    Ask(#[source] io::Error),
}

impl Confirm {
    /// Finds out early, before a secret is asked for, that nobody can be asked.
    ///
    /// # Errors
    /// [`Error::NoTerminal`].
    pub(super) fn prepare(&self) -> Result<(), Error> {
        if self.yes || io::stdin().is_terminal() {
            Ok(())
        } else {
            Err(Error::NoTerminal)
        }
    }

    /// Whether nothing is to be asked.
    pub(super) fn is_yes(&self) -> bool {
        self.yes
    }

    /// Asks.
    ///
    /// # Errors
    /// [`Error::Declined`] where the reply is not yes.
    pub(super) fn question(&self, text: &str) -> Result<(), CommandError> {
        if self.yes {
            return Ok(());
        }
        write!(io::stderr(), "{text} [y/N] ").map_err(Error::Ask)?;
        let input = stdin().map_err(CommandError::Input)?;
        if says_yes(input).map_err(Error::Ask)? {
            Ok(())
        } else {
            Err(Error::Declined.into())
        }
    }

    /// Shows which token it is about and asks. What is confirmed is the token as it was
    /// shown: its entity tag goes with the call.
    ///
    /// # Errors
    /// [`Error`], and those of reading the token.
    pub(super) fn ask(
        &self,
        client: &Client,
        subject: &Subject,
        verb: &str,
        effect: &str,
    ) -> Result<Option<HeaderValue>, CommandError> {
        if self.yes {
            return Ok(None);
        }
        let answer = client.call(&Call::new(Method::GET, subject.target("")))?;
        let view: View = answer.read()?;
        self.question(&format!("{verb} the token {}? {effect}", view.told()))?;
        Ok(answer.etag)
    }
}

fn says_yes(input: impl Read) -> io::Result<bool> {
    let mut reply = Vec::new();
    BufReader::new(input)
        .take(MAX_REPLY)
        .read_until(b'\n', &mut reply)?;
    let reply = reply.trim_ascii();
    Ok(reply.eq_ignore_ascii_case(b"y") || reply.eq_ignore_ascii_case(b"yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        for (reply, yes) in [
            ("y\n", true),
            ("Yes\r\n", true),
            (" YES", true),
            ("", false),
            ("\n", false),
            ("n\n", false),
            ("yesterday\n", false),
            ("no\ny\n", false),
        ] {
            assert_eq!(
                says_yes(reply.as_bytes()).expect("readable"),
                yes,
                "{reply}"
            );
        }
        assert!(!says_yes(io::repeat(b'y')).expect("bounded"));
    }
}
