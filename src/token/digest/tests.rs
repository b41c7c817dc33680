use proptest::prelude::*;

use super::*;

/// Of `hunter2`, as crypt(3) makes it; the same digest serves all three names.
const BCRYPT: &str = "2y$04$abcdefghijklmnopqrstuuV3duMsC0HpUex6N9qapiuOHHWkwRXVm";
const SALT_AND_HASH: &str = "c29tZXNhbHRzb21lc2FsdA$VuJJZXMSOPrQIbJGoYYgs7A5JYWvTuzDFJJkPLZpM7w";

fn parse(text: impl AsRef<str>) -> Result<Digest, BadDigest> {
    Digest::parse(text.as_ref())
}

fn argon2(params: &str) -> Result<Digest, BadDigest> {
    parse(format!("$argon2id${params}${SALT_AND_HASH}"))
}

#[test]
fn sha256_is_that_of_fips_180() {
    let text = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let digest = Digest::of(&Secret::new(b"abc".to_vec()));
    assert_eq!(digest.to_text(), text);
    assert_eq!(parse(text), Ok(digest.clone()));
    assert_eq!(
        parse(text.to_uppercase().replacen("SHA256", "sha256", 1)),
        Ok(digest)
    );
}

#[test]
fn the_digest_of_nothing_is_refused() {
    let nothing = Digest::of(&Secret::new(Vec::new())).to_text();
    assert_eq!(parse(nothing), Err(BadDigest::EmptySecret));
}

#[test]
fn imported_forms_are_kept_as_they_are() {
    for form in ["2a", "2b", "2y"] {
        let text = format!("${}", BCRYPT.replacen("2y", form, 1));
        assert_eq!(parse(&text), Ok(Digest::Slow(text.as_str().into())));
        assert_eq!(parse(&text).expect("a digest").to_text(), text);
    }
    for params in [
        "v=19$m=19456,t=2,p=1",
        "v=19$m=262144,t=16,p=16",
        "v=16$m=8,t=1,p=1",
        "m=65536,t=3,p=4",
    ] {
        let digest = argon2(params).expect(params);
        assert_eq!(
            digest.to_text(),
            format!("$argon2id${params}${SALT_AND_HASH}")
        );
    }
}

#[test]
fn costs_are_bounded() {
    for cost in [0, 3, 17, 31, 99] {
        let text = format!("${}", BCRYPT.replacen("$04$", &format!("${cost:02}$"), 1));
        assert_eq!(parse(text), Err(BadDigest::BcryptCost(cost)));
    }
    let huge = [
        ("v=19$m=262145,t=1,p=1", BadDigest::Argon2Memory(262_145)),
        (
            "v=19$m=4294967295,t=1,p=1",
            BadDigest::Argon2Memory(u32::MAX),
        ),
        ("v=19$m=8,t=17,p=1", BadDigest::Argon2Iterations(17)),
        ("v=19$m=4096,t=1,p=17", BadDigest::Argon2Lanes(17)),
    ];
    for (params, fault) in huge {
        assert_eq!(argon2(params), Err(fault), "{params}");
    }
}

#[test]
fn malformed_ones_are_refused() {
    let sixty_four = "0".repeat(64);
    let cases = [
        (String::new(), BadDigest::UnknownForm),
        ("hunter2".into(), BadDigest::UnknownForm),
        (sixty_four.clone(), BadDigest::UnknownForm),
        (format!("SHA256:{sixty_four}"), BadDigest::UnknownForm),
        (format!(" sha256:{sixty_four}"), BadDigest::UnknownForm),
        (format!("sha512:{sixty_four}"), BadDigest::UnknownForm),
        ("$2x$04$".into(), BadDigest::UnknownForm),
        (
            "$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$".into(),
            BadDigest::UnknownForm,
        ),
        ("sha256:".into(), BadDigest::NotHex("sha256")),
        (format!("sha256:{sixty_four}0"), BadDigest::NotHex("sha256")),
        (
            format!("sha256: {}", "0".repeat(63)),
            BadDigest::NotHex("sha256"),
        ),
        (
            format!("sha256:+{}", "0".repeat(63)),
            BadDigest::NotHex("sha256"),
        ),
        (
            format!("sha256:{}", "é".repeat(32)),
            BadDigest::NotHex("sha256"),
        ),
        (
            format!("hmac-sha256:{}", "g".repeat(64)),
            BadDigest::NotHex("hmac-sha256"),
        ),
        ("$2y$".into(), BadDigest::Bcrypt),
        (format!("${BCRYPT} "), BadDigest::Bcrypt),
        (
            format!("${}", BCRYPT.replacen("$04$", "$+4$", 1)),
            BadDigest::Bcrypt,
        ),
        (
            format!("${}", BCRYPT.replace("abc", "a!c")),
            BadDigest::Bcrypt,
        ),
        (format!("$2y$é4{}", &BCRYPT[6..]), BadDigest::Bcrypt),
        ("$argon2id$".into(), BadDigest::Argon2),
        ("$argon2id$v=19$m=8,t=1,p=1".into(), BadDigest::Argon2),
        (
            "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ".into(),
            BadDigest::Argon2,
        ),
        (
            format!("$argon2id$v=18$m=8,t=1,p=1${SALT_AND_HASH}"),
            BadDigest::Argon2,
        ),
        (
            format!("$argon2id$v=19$m=7,t=1,p=1${SALT_AND_HASH}"),
            BadDigest::Argon2,
        ),
        (
            format!("$argon2id$v=19$m=8,t=0,p=1${SALT_AND_HASH}"),
            BadDigest::Argon2,
        ),
        (
            format!("$argon2id$v=19$m=8,t=1,p=1,x=1${SALT_AND_HASH}"),
            BadDigest::Argon2,
        ),
    ];
    for (text, fault) in cases {
        assert_eq!(parse(&text), Err(fault), "{text}");
    }
}

#[test]
fn neither_debug_nor_a_fault_shows_the_digest() {
    let digest = Digest::of(&Secret::new(b"abc".to_vec()));
    assert_eq!(format!("{digest:?}"), "Sha256(..)");
    let fault = parse("sha256:hunter2").expect_err("not hex");
    assert_eq!(fault.to_string(), "sha256: takes exactly 64 hex digits");
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(bytes: [u8; 32], keyed: bool) {
        let digest = if keyed { Digest::HmacSha256(bytes) } else { Digest::Sha256(bytes) };
        prop_assert_eq!(parse(digest.to_text()), Ok(digest));
    }

    #[test]
    fn any_text_is_a_digest_or_a_fault(text in "(sha256:|hmac-sha256:|\\$2y\\$|\\$argon2id\\$)?\\PC{0,80}") {
        if let Ok(digest) = parse(&text) {
            prop_assert_eq!(parse(digest.to_text()), Ok(digest));
        }
    }
}
