//! `sidgate digest`: from a secret to what a file may keep of it.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;

use clap::Args;

use super::secret;
use crate::auth::Keys;
use crate::fault::Faults;

/// Read one secret from standard input and print its digest for a file
///
/// One line end at the end is dropped. At a terminal the secret is asked for and not
/// shown. SHA-256 without a salt is meant for secrets that were generated, as sidgate's
/// own are; one that a person made up needs bcrypt (htpasswd -B) or argon2id.
#[derive(Debug, Args)]
pub(super) struct Digest {
    /// File with a key of 32 bytes or more: the digest is HMAC-SHA-256 under it, as the
    /// gate expects it where `hmac_key_file` is set in the main file
    #[arg(long, value_name = "FILE")]
    hmac_key_file: Option<PathBuf>,
}

impl Digest {
    /// `input` is best unbuffered: a buffer would keep the secret unwiped.
    pub(super) fn run(
        self,
        input: &mut (impl Read + AsFd),
        out: &mut impl Write,
    ) -> Result<(), super::Error> {
        let keys = Keys::load(self.hmac_key_file.as_deref()).map_err(Faults::from)?;
        let secret = secret::read_or_ask(input, "Secret: ")?;
        writeln!(out, "{}", keys.digest(&secret).to_text()).map_err(super::Error::Output)
    }
}
