//! Where the admin API is and who asks: flags, the environment, a prompt.

use std::env;
use std::fs::File;
use std::io::IsTerminal;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use http::HeaderValue;
use zeroize::Zeroizing;

use super::super::{Error as CommandError, secret, stdin};
use super::{Client, Error};
use crate::config::{Server, UpstreamTls};
use crate::net::tls;
use crate::token::Secret;

const SECRET: &str = "SIDGATE_OPERATOR_SECRET";

/// Where the admin API is, and who asks.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Admin API")]
pub(in super::super) struct AdminOptions {
    /// http://HOST:PORT on this machine, https://HOST:PORT, or unix:PATH
    #[arg(
        long,
        value_name = "URL",
        env = "SIDGATE_ADMIN_URL",
        default_value = "http://127.0.0.1:8081",
        value_parser = Server::parse,
        global = true
    )]
    admin_url: Server,

    /// PEM file of the CA that is believed for https; otherwise the system's
    #[arg(long, value_name = "FILE", env = "SIDGATE_ADMIN_CA", global = true)]
    ca: Option<PathBuf>,

    /// Name of the operator
    #[arg(long, value_name = "NAME", env = "SIDGATE_OPERATOR", global = true)]
    operator: Option<String>,

    /// File with the operator's secret, - for standard input; otherwise
    /// SIDGATE_OPERATOR_SECRET holds it, or it is asked for at a terminal
    #[arg(long, value_name = "FILE", global = true)]
    operator_secret_file: Option<PathBuf>,
}

impl AdminOptions {
    /// The secret is read from standard input.
    pub(in super::super) fn reads_standard_input(&self) -> bool {
        self.operator_secret_file.as_deref() == Some(Path::new("-"))
    }

    /// Gathers all that a call needs; the secret is asked for where nothing gives it.
    ///
    /// # Errors
    /// [`Error`], before anything is sent.
    pub(in super::super) fn open(self) -> Result<Client, CommandError> {
        let server = self.admin_url;
        if !server.tls && !server.is_on_this_machine() {
            return Err(Error::Plaintext(server.url).into());
        }
        let operator = self.operator.filter(|name| !name.is_empty());
        let operator = operator.ok_or(Error::NoOperator)?;
        if operator.contains(|c: char| c == ':' || c.is_control()) {
            return Err(Error::OperatorName.into());
        }
        let secret = secret_from(self.operator_secret_file.as_deref(), &operator)?;
        let tls = UpstreamTls {
            ca: self.ca,
            client: None,
        };
        let tls = server.tls.then(|| tls::client(&tls, false)).transpose();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build();
        Ok(Client {
            runtime: Some(runtime.map_err(Error::Start)?),
            server,
            tls: tls.map_err(|fault| Error::Tls(Box::new(fault)))?,
            authorization: basic(&operator, &secret),
        })
    }
}

/// A file that was named goes before the environment, and both before a question.
fn secret_from(file: Option<&Path>, operator: &str) -> Result<Secret, CommandError> {
    let secret = match file {
        Some(path) if path == Path::new("-") => {
            secret::read(&mut stdin().map_err(CommandError::Input)?)
        }
        Some(path) => {
            let opened = File::open(path);
            let name = || path.display().to_string();
            secret::read(&mut opened.map_err(|e| Error::SecretFile(name(), e))?)
        }
        None => match env::var_os(SECRET).filter(|value| !value.is_empty()) {
            Some(value) => secret::read(&mut value.as_bytes()),
            None => {
                let mut input = stdin().map_err(CommandError::Input)?;
                if !input.is_terminal() {
                    return Err(Error::NoSecret.into());
                }
                let prompt = format!("Secret of the operator {operator}: ");
                secret::ask(&mut input, &prompt)
            }
        },
    };
    Ok(secret.map_err(Error::Secret)?)
}

/// The credentials as HTTP Basic has them (RFC 7617), marked so that no log shows them.
fn basic(operator: &str, secret: &Secret) -> HeaderValue {
    let mut pair = Zeroizing::new(Vec::with_capacity(
        operator.len() + 1 + secret.expose().len(),
    ));
    pair.extend_from_slice(operator.as_bytes());
    pair.push(b':');
    pair.extend_from_slice(secret.expose());
    let value = Zeroizing::new(format!("Basic {}", STANDARD.encode(&*pair)));
    let mut value = HeaderValue::from_str(&value).expect("base64 is visible ASCII");
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_those_of_the_rfc_and_are_not_shown() {
        // RFC 7617, section 2.
        let value = basic("Aladdin", &Secret::copy_of(b"open sesame"));
        assert_eq!(value, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(format!("{value:?}"), "Sensitive");
    }
}
