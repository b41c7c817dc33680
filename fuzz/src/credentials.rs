//! `Authorization` -> [`sidgate::auth::basic`] and [`sidgate::auth::authenticate`].
//!
//! The oracle decodes base64 bit by bit, encodes what it got, and takes only what comes out
//! as it went in: one spelling for each pair of SID and auth token.

use std::sync::{Arc, LazyLock};

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use sidgate::auth::basic::Buffer;
use sidgate::auth::{Authentication, Denial, Keys, authenticate};
use sidgate::snapshot::TokenTable;
use sidgate::token::{Digest, ScopeSet, Sid, State, Texts, Token};

/// The longest header value that is looked at.
const LONGEST: usize = 1024;

/// The one token: `alice`, whose auth token is `alice-auth-token`.
const HOLDER: (&[u8], &[u8]) = (b"alice", b"alice-auth-token");
const DIGEST: &str = "sha256:001b9b42ac32a892e621494c3c3f0968ab7ac8c5d7f304d4b8fb6cba63922d4b";

static TABLE: LazyLock<TokenTable> = LazyLock::new(|| {
    TokenTable::new([Arc::new(Token {
        sid: Sid::parse(HOLDER.0).expect("a SID"),
        digest: Digest::parse(DIGEST).expect("a digest"),
        state: State::Enabled,
        version: None,
        scopes: ScopeSet::default(),
        account: None,
        texts: Box::<Texts>::default(),
    })])
});

/// Each line of the input is the value of one `Authorization`.
///
/// # Panics
/// Where what is read is not what the oracle reads.
pub fn check(data: &[u8]) {
    let mut headers = HeaderMap::new();
    let mut values = Vec::new();
    for line in data.split(|&byte| byte == b'\n').take(3) {
        // An empty input is no header at all; what no header can hold is left out.
        if data.is_empty() {
            break;
        }
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(AUTHORIZATION, value);
            values.push(line);
        }
    }
    let expected = match values.as_slice() {
        [] => Err(false),
        [value] => reference(value).ok_or(true),
        _ => Err(true),
    };

    let mut buffer = Buffer::new();
    // A buffer that was used before decides as a fresh one does.
    for _ in 0..2 {
        match (buffer.read(&headers), &expected) {
            (Ok(read), Ok((sid, secret))) => {
                assert_eq!(read.sid.as_bytes(), sid);
                assert_eq!(read.secret, secret);
                let shown = format!("{read:?}");
                assert_eq!(shown, format!("Credentials({}, ..)", read.sid));
            }
            (Err(Denial::MissingCredentials), Err(false)) => {}
            (Err(Denial::BadCredentials), Err(true)) => {}
            (read, _) => panic!("{read:?} where {expected:?} was expected"),
        }
    }

    let own = matches!(&expected, Ok((sid, secret)) if (&**sid, &**secret) == HOLDER);
    match authenticate(&TABLE, &Keys::default(), &headers) {
        Ok(Authentication::Token(token)) => {
            assert!(own, "admitted by other credentials");
            assert_eq!(token.sid.as_bytes(), HOLDER.0);
        }
        Ok(Authentication::Slow(_)) => panic!("no digest here is slow"),
        Err(Denial::MissingCredentials) => assert!(values.is_empty()),
        Err(Denial::BadCredentials) => assert!(!own && !values.is_empty()),
        Err(denial) => panic!("{denial:?}"),
    }
}

/// The SID and the secret of a header value.
fn reference(value: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    if value.len() > LONGEST {
        return None;
    }
    let text = std::str::from_utf8(value).ok()?;
    let (scheme, rest) = text.split_once(' ')?;
    if scheme.to_ascii_lowercase() != "basic" {
        return None;
    }
    let encoded = rest.trim_start_matches(' ');
    let decoded = decode(encoded)?;
    if encode(&decoded) != encoded {
        return None;
    }
    let colon = decoded.iter().position(|&byte| byte == b':')?;
    let (sid, secret) = (&decoded[..colon], &decoded[colon + 1..]);
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._~-".contains(byte);
    let sound = (1..=64).contains(&sid.len())
        && sid.iter().all(allowed)
        && !secret.is_empty()
        && !decoded.iter().any(|&byte| byte < 0x20 || byte == 0x7f);
    sound.then(|| (sid.to_vec(), secret.to_vec()))
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 of any length and any last bits, as a lenient reader takes it.
fn decode(encoded: &str) -> Option<Vec<u8>> {
    let mut bits = Vec::new();
    for byte in encoded.trim_end_matches('=').bytes() {
        let value = ALPHABET.iter().position(|&known| known == byte)?;
        bits.extend((0..6).rev().map(|bit| value >> bit & 1 == 1));
    }
    let byte = |bits: &[bool]| bits.iter().fold(0, |byte, &bit| byte << 1 | u8::from(bit));
    Some(bits.chunks_exact(8).map(byte).collect())
}

/// RFC 4648 section 4, padded.
fn encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let mut word = 0_usize;
        for at in 0..3 {
            word = word << 8 | usize::from(group.get(at).copied().unwrap_or(0));
        }
        for at in 0..4 {
            if at <= group.len() {
                text.push(char::from(ALPHABET[word >> (18 - 6 * at) & 63]));
            } else {
                text.push('=');
            }
        }
    }
    text
}
