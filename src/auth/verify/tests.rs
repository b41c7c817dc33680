use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, header::AUTHORIZATION};

use super::*;
use crate::token::{AuthToken, ScopeSet, Sid, State, Texts};

/// Of `hunter2`, as crypt(3) makes it.
const BCRYPT: &str = "$2y$04$abcdefghijklmnopqrstuuV3duMsC0HpUex6N9qapiuOHHWkwRXVm";
/// Of `password`, from the test suite of the reference implementation.
const ARGON2: &str =
    "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

fn token(sid: &str, digest: Digest, state: State) -> Arc<Token> {
    Arc::new(Token {
        sid: Sid::parse(sid.as_bytes()).expect("a SID"),
        digest,
        state,
        version: None,
        scopes: ScopeSet::default(),
        account: None,
        texts: Box::new(Texts::default()),
    })
}

fn secret(text: &str) -> Secret {
    Secret::copy_of(text.as_bytes())
}

fn slow(text: &str) -> Digest {
    Digest::parse(text).expect("a digest")
}

/// alice, bob and carol (disabled) have SHA-256 digests, keyed an HMAC, the others slow ones.
fn table(keys: &Keys) -> TokenTable {
    TokenTable::new([
        token("alice", Digest::of(&secret("TA")), State::Enabled),
        token("bob", Digest::of(&secret("TB")), State::Enabled),
        token("carol", Digest::of(&secret("TC")), State::Disabled),
        token("keyed", keys.digest(&secret("TK")), State::Enabled),
        token("bcrypt", slow(BCRYPT), State::Enabled),
        token("argon2", slow(ARGON2), State::Enabled),
    ])
}

fn headers(sid: &str, secret: &str) -> HeaderMap {
    let value = format!("Basic {}", STANDARD.encode(format!("{sid}:{secret}")));
    let value = HeaderValue::from_str(&value).expect("a header value");
    HeaderMap::from_iter([(AUTHORIZATION, value)])
}

/// The SID that is proven, on this thread also where that is slow.
fn proven(keys: &Keys, tokens: &TokenTable, sid: &str, secret: &str) -> Option<String> {
    let answer = match authenticate(tokens, keys, &headers(sid, secret)) {
        Ok(Authentication::Slow(check)) => check.verify(),
        Ok(Authentication::Token(token)) => Ok(token),
        Err(denial) => Err(denial),
    };
    match answer {
        Ok(token) => Some(token.sid.to_string()),
        Err(Denial::BadCredentials) => None,
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn who_holds_the_auth_token_is_proven() {
    let keys = Keys::new(Some(KEY));
    let tokens = table(&keys);
    let right = [
        ("alice", "TA"),
        ("bob", "TB"),
        // That it is disabled is told later, and to its holder only.
        ("carol", "TC"),
        ("keyed", "TK"),
        ("bcrypt", "hunter2"),
        ("argon2", "password"),
    ];
    for (sid, secret) in right {
        assert_eq!(proven(&keys, &tokens, sid, secret).as_deref(), Some(sid));
    }
}

#[test]
fn crossed_and_partial_secrets_prove_nothing() {
    let keys = Keys::new(Some(KEY));
    let tokens = table(&keys);
    let hash = Digest::of(&secret("TA")).to_text();
    let wrong = [
        ("alice", "TB"),
        ("bob", "TA"),
        ("alice", "T"),
        ("alice", "TAx"),
        ("alice", hash.as_str()),
        ("alice", hash.trim_start_matches("sha256:")),
        ("Alice", "TA"),
        ("carol", "TA"),
        ("nobody", "TA"),
        ("keyed", "TA"),
        ("bcrypt", "hunter3"),
        ("bcrypt", BCRYPT),
        ("argon2", "passwore"),
        ("argon2", ARGON2),
    ];
    for (sid, secret) in wrong {
        assert_eq!(proven(&keys, &tokens, sid, secret), None, "{sid}:{secret}");
    }
}

#[test]
fn no_header_is_told_from_a_bad_one() {
    let keys = Keys::default();
    let tokens = table(&keys);
    let missing = authenticate(&tokens, &keys, &HeaderMap::new());
    assert!(matches!(missing, Err(Denial::MissingCredentials)));
    assert_eq!(proven(&keys, &TokenTable::default(), "alice", "TA"), None);
}

#[test]
fn an_unknown_sid_is_not_its_neighbour_in_the_table() {
    let keys = Keys::default();
    let tokens = TokenTable::new([token("alice", Digest::of(&secret("TA")), State::Enabled)]);
    let (neighbour, known) = tokens.probe(b"nobody");
    assert!(neighbour.is_some() && !known);
    assert_eq!(proven(&keys, &tokens, "nobody", "TA"), None);
    // Nor is it sent to the slow threads because its neighbour would be.
    let tokens = TokenTable::new([token("bcrypt", slow(BCRYPT), State::Enabled)]);
    let answer = authenticate(&tokens, &keys, &headers("nobody", "hunter2"));
    assert!(matches!(answer, Err(Denial::BadCredentials)));
}

#[test]
fn a_mistyped_generated_auth_token_is_not_looked_up() {
    let keys = Keys::default();
    let made = AuthToken::generate();
    let mistyped = made.expose().to_uppercase().replacen("SGT_", "sgt_", 1);
    let tokens = TokenTable::new([
        token("alice", Digest::of(made.secret()), State::Enabled),
        // It would match if it were looked up.
        token("typo", Digest::of(&secret(&mistyped)), State::Enabled),
    ]);
    assert!(proven(&keys, &tokens, "alice", made.expose()).is_some());
    assert_eq!(proven(&keys, &tokens, "typo", &mistyped), None);
}

#[test]
fn an_hmac_digest_needs_its_key() {
    let keys = Keys::new(Some(KEY));
    let tokens = table(&keys);
    let other = Keys::new(Some(b"another key of thirty-two bytes!"));
    for keys in [Keys::default(), other] {
        assert_eq!(proven(&keys, &tokens, "keyed", "TK"), None);
        assert!(proven(&keys, &tokens, "alice", "TA").is_some());
    }
    // RFC 4231, test case 2 has a shorter key than a file may hold.
    let jefe = Keys::new(Some(b"Jefe"));
    let digest = jefe.digest(&secret("what do ya want for nothing?"));
    let text = "hmac-sha256:5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    assert_eq!(digest.to_text(), text);
}

#[test]
fn bcrypt_takes_no_secret_of_more_than_72_bytes() {
    let whole = "x".repeat(72);
    let hash = bcrypt::hash(&whole, 4).expect("bcrypt of 72 bytes");
    let keys = Keys::default();
    let tokens = TokenTable::new([token("bcrypt", slow(&hash), State::Enabled)]);
    assert!(proven(&keys, &tokens, "bcrypt", &whole).is_some());
    assert_eq!(
        proven(&keys, &tokens, "bcrypt", &format!("{whole}junk")),
        None
    );
    assert_eq!(proven(&keys, &tokens, "bcrypt", &whole[..71]), None);
}

#[test]
fn keys_are_not_printed() {
    assert_eq!(
        format!("{:?}", Keys::new(Some(KEY))),
        "Keys { hmac: true, .. }"
    );
}
