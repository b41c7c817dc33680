//! The main file as serde reads it: every key optional, so that whoever resolves it can
//! tell all that is missing at once, and every value with its place in the text.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use toml::Spanned;

use super::dialect::Dialect;
use super::units::{Size, Time};
use super::{ClientCertificates, Errors, LogFormat, Protocol, Role, Running};

/// A value that may be left out.
pub(super) type Given<T> = Option<Spanned<T>>;

/// A table that may be left out.
pub(super) type Table<T> = Option<Spanned<Strict<T>>>;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) proxy: Table<Proxy>,
    pub(super) upstream: Given<Vec<Spanned<Strict<Upstream>>>>,
    pub(super) files: Table<Files>,
    pub(super) admin: Table<Admin>,
    pub(super) limits: Table<Limits>,
    pub(super) guessing: Table<Guessing>,
    pub(super) timeouts: Table<Timeouts>,
    pub(super) access_log: Table<AccessLog>,
    pub(super) log: Table<Log>,
    pub(super) secrets: Table<Secrets>,
    pub(super) verification: Table<Verification>,
    pub(super) revocation: Table<Revocation>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Proxy {
    pub(super) listen: Given<Vec<Spanned<String>>>,
    pub(super) workers: Given<Count>,
    pub(super) realm: Given<String>,
    pub(super) errors: Given<Word<Errors>>,
    pub(super) allow_plaintext: Given<bool>,
    pub(super) tls: Table<Tls>,
    pub(super) trusted_proxies: Given<Vec<Spanned<String>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tls {
    pub(super) certificate: Given<String>,
    pub(super) private_key: Given<String>,
    pub(super) client_ca: Given<String>,
    pub(super) client_certificates: Given<Word<ClientCertificates>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Upstream {
    pub(super) name: Given<String>,
    pub(super) servers: Given<Vec<Spanned<String>>>,
    pub(super) protocol: Given<Word<Protocol>>,
    pub(super) preserve_host: Given<bool>,
    pub(super) max_connections: Given<Count>,
    pub(super) tls: Table<UpstreamTls>,
    pub(super) timeouts: Table<UpstreamTimeouts>,
    pub(super) health_check: Table<HealthCheck>,
    pub(super) ejection: Table<Ejection>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UpstreamTls {
    pub(super) ca: Given<String>,
    pub(super) certificate: Given<String>,
    pub(super) private_key: Given<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UpstreamTimeouts {
    pub(super) connect: Given<Time>,
    pub(super) first_byte: Given<Time>,
    pub(super) head: Given<Time>,
    pub(super) body_idle: Given<Time>,
    pub(super) send_idle: Given<Time>,
    pub(super) keep_alive: Given<Time>,
    pub(super) total: Given<Time>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HealthCheck {
    pub(super) path: Given<String>,
    pub(super) interval: Given<Time>,
    pub(super) timeout: Given<Time>,
    pub(super) healthy: Given<Count>,
    pub(super) unhealthy: Given<Count>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ejection {
    pub(super) failures: Given<Count>,
    pub(super) duration: Given<Time>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Files {
    pub(super) catalog: Given<String>,
    pub(super) tokens: Given<String>,
    pub(super) max_size: Given<Size>,
    pub(super) max_tokens: Given<Count>,
    pub(super) poll: Given<Time>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Admin {
    pub(super) listen: Given<String>,
    pub(super) tls: Table<Tls>,
    pub(super) hosts: Given<Vec<Spanned<String>>>,
    pub(super) audit: Given<String>,
    pub(super) operator: Given<Vec<Spanned<Strict<Operator>>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Operator {
    pub(super) name: Given<String>,
    pub(super) role: Given<Word<Role>>,
    pub(super) digest: Given<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    pub(super) connections: Given<Count>,
    pub(super) connections_per_peer: Given<Count>,
    pub(super) requests_in_flight: Given<Count>,
    pub(super) requests_in_flight_per_token: Given<Count>,
    pub(super) rate_limit_headers: Given<Vec<Spanned<Word<Dialect>>>>,
    pub(super) rate_limit_counters: Given<Count>,
    pub(super) target: Given<Size>,
    pub(super) head: Given<Size>,
    pub(super) headers: Given<Count>,
    pub(super) body: Given<Size>,
    pub(super) h2_streams: Given<Count>,
    pub(super) h2_control_frames: Given<Count>,
    pub(super) h2_resets: Given<Count>,
    pub(super) h2_header_list: Given<Size>,
    pub(super) h2_stream_window: Given<Size>,
    pub(super) h2_connection_window: Given<Size>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Guessing {
    pub(super) failures: Given<Count>,
    pub(super) window: Given<Time>,
    pub(super) exempt: Given<Vec<Spanned<String>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Timeouts {
    pub(super) first_byte: Given<Time>,
    pub(super) tls_handshake: Given<Time>,
    pub(super) head: Given<Time>,
    pub(super) body_idle: Given<Time>,
    pub(super) send_idle: Given<Time>,
    pub(super) keep_alive: Given<Time>,
    pub(super) h2_ping: Given<Time>,
    pub(super) total: Given<Time>,
    pub(super) tunnel_idle: Given<Time>,
    pub(super) grace: Given<Time>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccessLog {
    pub(super) output: Given<String>,
    pub(super) buffer: Given<Size>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Log {
    pub(super) level: Given<String>,
    pub(super) format: Given<Word<LogFormat>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Secrets {
    pub(super) hmac_key_file: Given<String>,
    pub(super) sealing_key_file: Given<String>,
    pub(super) sid_prefix: Given<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Verification {
    pub(super) threads: Given<Count>,
    pub(super) queue: Given<Count>,
    pub(super) cache: Given<Count>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Revocation {
    pub(super) running: Given<Word<Running>>,
}

/// A struct that is written as a table. serde's own structs also take an array of their
/// fields in order, which nobody means in a configuration file.
#[derive(Debug, Default)]
pub(super) struct Strict<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Strict<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(StrictVisitor(PhantomData))
    }
}

struct StrictVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for StrictVisitor<T> {
    type Value = Strict<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Strict<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Strict)
    }
}

/// A whole number, 0 or more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Count(pub(super) u64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_u64(CountVisitor)
    }
}

struct CountVisitor;

impl Visitor<'_> for CountVisitor {
    type Value = Count;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, not negative")
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Count, E> {
        u64::try_from(number)
            .map(Count)
            .map_err(|_| E::custom("expected a whole number, not negative"))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Count, E> {
        Ok(Count(number))
    }
}

/// One of a fixed set of words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<T>(pub(super) T);

/// A type of which every value has one spelling.
pub(super) trait Spelt: Copy + 'static {
    /// All values and how they are written.
    const WORDS: &'static [(&'static str, Self)];
}

impl Spelt for Protocol {
    const WORDS: &'static [(&'static str, Self)] =
        &[("http1", Self::Http1), ("http2", Self::Http2)];
}

impl Spelt for Role {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("administrator", Self::Administrator),
        ("implementation-specialist", Self::ImplementationSpecialist),
        ("viewer", Self::Viewer),
    ];
}

impl Spelt for ClientCertificates {
    const WORDS: &'static [(&'static str, Self)] =
        &[("required", Self::Required), ("optional", Self::Optional)];
}

impl Spelt for LogFormat {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("auto", Self::Auto),
        ("text", Self::Text),
        ("json", Self::Json),
    ];
}

impl Spelt for Errors {
    const WORDS: &'static [(&'static str, Self)] =
        &[("problem", Self::Problem), ("impact", Self::Impact)];
}

impl Spelt for Running {
    const WORDS: &'static [(&'static str, Self)] = &[("finish", Self::Finish), ("end", Self::End)];
}

impl<'de, T: Spelt> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(WordVisitor(PhantomData))
    }
}

struct WordVisitor<T>(PhantomData<T>);

impl<T: Spelt> WordVisitor<T> {
    fn words() -> String {
        let words: Vec<_> = T::WORDS.iter().map(|(w, _)| format!("\"{w}\"")).collect();
        format!("one of {}", words.join(", "))
    }
}

impl<T: Spelt> Visitor<'_> for WordVisitor<T> {
    type Value = Word<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Self::words())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Word<T>, E> {
        let found = T::WORDS.iter().find(|(word, _)| *word == text);
        let (_, value) = found.ok_or_else(|| E::custom(format!("expected {}", Self::words())))?;
        Ok(Word(*value))
    }
}
