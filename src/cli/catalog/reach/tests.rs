use super::*;
use crate::catalog::Catalog;
use crate::catalog::merge::testing::{draft, merged};
use crate::token::State;

fn token(catalog: &Catalog, sid: &str, version: Option<&str>, scopes: &[&str]) -> Token {
    let number = |id: &&str| catalog.scope_number(id).expect("known");
    let sid = Sid::parse(sid.as_bytes()).expect("a SID");
    Token {
        state: State::Disabled,
        version: version.map(|id| catalog.version_number(id).expect("known")),
        ..Token::supposed(sid, scopes.iter().map(number).collect())
    }
}

/// What a token of this version gains and loses, each with its sign.
fn told(merge: &Merge, sid: &str, version: Option<&str>, scopes: &[&str]) -> Vec<String> {
    let token = token(&merge.after, sid, version, scopes);
    signed(&Effects::of(merge).of_token(&token))
}

fn of_scope(merge: &Merge, scope: &str) -> Vec<String> {
    let scope = merge.after.scope_number(scope).expect("known");
    signed(&Effects::of(merge).of_scope(scope))
}

fn signed(reach: &Reach) -> Vec<String> {
    let gains = reach.gains.iter().map(|call| format!("+ {call}"));
    let loses = reach.loses.iter().map(|call| format!("- {call}"));
    gains.chain(loses).collect()
}

const ADS: &str = "  /ads:\n    get: {tags: [Ads]}\n    post: {tags: [Ads]}\n  /ads/{id}:\n    get: {tags: [Ads]}\n";

#[test]
fn what_comes_and_goes_is_told_to_those_that_hold_it() {
    let text = draft(ADS, None).render();
    let same = merged(&text, &draft(ADS, None));
    assert_eq!(told(&same, "a", None, &["ads:read", "ads:write"]), [""; 0]);
    let next = draft(
        "  /ads:\n    get: {tags: [Ads]}\n  /ads/{name}:\n    get: {tags: [Ads]}\n    head: {tags: [Ads]}\n",
        None,
    );
    let merge = merged(&text, &next);
    for tell in [
        |merge: &Merge, scope: &str| told(merge, "a", None, &[scope]),
        |merge: &Merge, scope: &str| of_scope(merge, scope),
    ] {
        assert_eq!(tell(&merge, "ads:read"), ["+ HEAD /ads/{name}"]);
        assert_eq!(tell(&merge, "ads:write"), ["- POST /ads"]);
    }
    assert_eq!(told(&merge, "a", None, &[]), [""; 0]);
}

#[test]
fn a_rule_that_shadows_another_or_does_so_no_more_is_seen() {
    let hand = "\n[[category]]\nname = \"B\"\n[[category.scope]]\nid = \"b\"\nallow = [\n    \"GET /a/{x}\",\n]\n";
    let with = "  /a/special:\n    get: {tags: [A]}\n";
    let text = draft(with, None).render() + hand;
    // `/a/special` is A's own; without its rule, whoever holds B comes to it.
    let gone = merged(&text, &draft("  /c:\n    get: {tags: [A]}\n", None));
    assert_eq!(told(&gone, "a", None, &["b"]), ["+ GET /a/special"]);
    assert_eq!(of_scope(&gone, "b"), ["+ GET /a/special"]);
    assert_eq!(
        told(&gone, "a", None, &["a:read"]),
        ["+ GET /c", "- GET /a/special"]
    );
    let back = merged(&gone.text, &draft(with, None));
    assert_eq!(told(&back, "a", None, &["b"]), ["- GET /a/special"]);
    assert_eq!(told(&back, "a", None, &["b", "a:read"]), ["- GET /c"]);
    // Two that meet where neither is more special.
    let hand = hand.replace("GET /a/{x}", "GET /{x}/b/{*more}");
    let text = draft("  /a/{y}/c:\n    get: {tags: [A]}\n", None).render() + &hand;
    let gone = merged(&text, &draft("  /c:\n    get: {tags: [A]}\n", None));
    assert_eq!(told(&gone, "a", None, &["b"]), ["+ GET /a/b/c"]);
}

/// Version 16 and 9 with one rule in common; then 9 has another one, and lacks that.
fn of_two_versions() -> Merge {
    let first = draft("  /ads:\n    get: {tags: [Ads]}\n", Some("9"));
    let text = draft(ADS, Some("16")).render();
    let text = merged(&text, &first).text;
    merged(
        &text,
        &draft("  /old:\n    get: {tags: [Ads]}\n", Some("9")),
    )
}

#[test]
fn a_token_is_asked_for_under_its_own_version() {
    let merge = of_two_versions();
    let nine = ["+ GET /old", "- GET /ads"];
    assert_eq!(told(&merge, "a", Some("9"), &["ads:read"]), nine);
    // The latest, by name or because it names none, is not touched.
    assert_eq!(told(&merge, "a", Some("16"), &["ads:read"]), [""; 0]);
    assert_eq!(told(&merge, "a", None, &["ads:read"]), [""; 0]);
    assert_eq!(
        of_scope(&merge, "ads:read"),
        ["+ GET /old (version 9)", "- GET /ads (version 9)"]
    );
}

#[test]
fn where_requests_name_their_version_every_one_counts() {
    for name in ["header = \"IR-Version\"\n", "query = [\"v\"]\n"] {
        let text = of_two_versions().text;
        let text = text.replacen("latest = ", &format!("{name}latest = "), 1);
        let merge = merged(
            &text,
            &draft("  /older:\n    get: {tags: [Ads]}\n", Some("9")),
        );
        for version in [None, Some("16"), Some("9")] {
            assert_eq!(
                told(&merge, "a", version, &["ads:read"]),
                ["+ GET /older (version 9)", "- GET /old (version 9)"]
            );
        }
        // A version that comes admits too, and nobody's token has it yet.
        let merge = merged(
            &text,
            &draft("  /ads:\n    get: {tags: [Ads]}\n", Some("17")),
        );
        assert_eq!(
            told(&merge, "a", Some("9"), &["ads:read"]),
            ["+ GET /ads (version 17)"]
        );
    }
}

#[test]
fn a_version_that_comes_is_nothing_to_tokens_of_others() {
    let text = draft(ADS, Some("16")).render();
    let merge = merged(
        &text,
        &draft("  /ads:\n    get: {tags: [Ads]}\n", Some("9")),
    );
    assert_eq!(told(&merge, "a", None, &["ads:read"]), [""; 0]);
    assert_eq!(of_scope(&merge, "ads:read"), ["+ GET /ads (version 9)"]);
}

#[test]
fn a_sid_that_is_the_callers_own_no_more_is_a_gain() {
    let bound = draft("  /p/{Sid}/a:\n    get: {tags: [A]}\n", None);
    let free = draft("  /p/{x}/a:\n    get: {tags: [A]}\n", None);
    let merge = merged(&bound.render(), &free);
    assert_eq!(told(&merge, "me", None, &["a:read"]), ["+ GET /p/{x}/a"]);
    let merge = merged(&free.render(), &bound);
    assert_eq!(told(&merge, "me", None, &["a:read"]), ["- GET /p/{x}/a"]);
}

#[test]
fn a_rule_that_names_a_sid_is_for_that_one() {
    let hand = "\n[[category]]\nname = \"B\"\n[[category.scope]]\nid = \"b\"\nallow = [\n    \"GET /p/me/a\",\n]\n";
    let text = draft("  /x:\n    get: {tags: [A]}\n", None).render() + hand;
    let merge = merged(&text, &draft("  /p/{Sid}/a:\n    get: {tags: [A]}\n", None));
    let gains = ["+ GET /p/{sid}/a", "- GET /x"];
    assert_eq!(told(&merge, "you", None, &["a:read"]), gains);
    assert_eq!(told(&merge, "me", None, &["a:read"]), ["- GET /x"]);
}

#[test]
fn upgrades_alone_are_told_too() {
    let hand = "\n[[category]]\nname = \"B\"\n[[category.scope]]\nid = \"b\"\nallow = [\n    { rule = \"GET /a/{x}\", upgrade = true },\n]\n";
    let text = draft("  /a/live:\n    get: {tags: [A]}\n", None).render() + hand;
    let merge = merged(&text, &draft("  /c:\n    get: {tags: [A]}\n", None));
    assert_eq!(
        told(&merge, "a", None, &["a:read", "b"]),
        ["+ GET /c", "+ upgrades of GET /a/live"]
    );
}

/// A scope of a hand with these rules.
fn hand(rules: &str) -> String {
    format!(
        "\n[[category]]\nname = \"B\"\n[[category.scope]]\nid = \"b\"\nallow = [\n    {rules},\n]\n"
    )
}

#[test]
fn what_a_wider_rule_gives_of_other_accounts_is_told() {
    let bound = draft("  /p/{Sid}/orders:\n    get: {tags: [A]}\n", None);
    let other = draft("  /x:\n    get: {tags: [A]}\n", None);
    let text = bound.render() + &hand("\"GET /p/{*rest}\"");
    let gone = merged(&text, &other);
    assert_eq!(
        told(&gone, "me", None, &["a:read", "b"]),
        ["+ GET /p/{other}/orders", "+ GET /x"]
    );
    assert_eq!(
        of_scope(&gone, "b"),
        ["+ GET /p/{other}/orders", "+ GET /p/{sid}/orders"]
    );
    let back = merged(&gone.text, &bound);
    assert_eq!(
        told(&back, "me", None, &["a:read", "b"]),
        ["- GET /p/{other}/orders", "- GET /x"]
    );
}

#[test]
fn what_a_rest_adds_behind_a_narrower_rule_is_told() {
    let one = "  /files/{id}:\n    get: {tags: [A]}\n";
    let all = format!("{one}  /files/{{path+}}:\n    get: {{tags: [A]}}\n");
    let text = draft(one, None).render();
    let merge = merged(&text, &draft(&all, None));
    assert_eq!(
        told(&merge, "me", None, &["a:read"]),
        ["+ GET /files/{*path}"]
    );
    let back = merged(&merge.text, &draft(one, None));
    assert_eq!(
        told(&back, "me", None, &["a:read"]),
        ["- GET /files/{*path}"]
    );
    // One segment and a slash is all that is new.
    let text = text + &hand("\"GET /files/{a}/{b}\", \"GET /files/{a}/{b}/{*more}\"");
    let merge = merged(&text, &draft(&all, None));
    assert_eq!(
        told(&merge, "me", None, &["a:read", "b"]),
        ["+ GET /files/{*path}"]
    );
}

#[test]
fn tokens_that_rules_name_are_not_taken_for_others() {
    let text = "[paths]\npublic = [\"GET /p/me/a\"]\n".to_owned()
        + &draft("  /x:\n    get: {tags: [A]}\n", None).render()
        + &hand("\"GET /p/we/a\"");
    let next = "  /x:\n    get: {tags: [A]}\n  /p/{Sid}/a:\n    get: {tags: [A]}\n";
    let merge = merged(&text, &draft(next, None));
    let mut effects = Effects::of(&merge);
    let gain = "+ GET /p/{sid}/a";
    for (sid, account, told) in [
        ("me", None, &[][..]),
        ("you", None, &[gain]),
        ("me", Some("we"), &[]),
        ("me", Some("they"), &[gain]),
        ("me", None, &[]),
        ("you", Some("we"), &[gain]),
    ] {
        let mut token = token(&merge.after, sid, None, &["a:read"]);
        token.account = account.map(|a: &str| Box::new(Sid::parse(a.as_bytes()).expect("a SID")));
        assert_eq!(signed(&effects.of_token(&token)), told, "{sid} {account:?}");
    }
}

#[test]
fn a_scope_is_asked_for_as_its_tokens_are() {
    let text = of_two_versions().text;
    let text = text.replacen("latest = ", "header = \"IR-Version\"\nlatest = ", 1)
        + "\n[paths]\npublic = [{ rule = \"GET /open\", versions = [\"16\"] }]\n";
    let next = "  /old:\n    get: {tags: [Ads]}\n  /open:\n    get: {tags: [Ads]}\n";
    let merge = merged(&text, &draft(next, Some("9")));
    let gain = ["+ GET /open (version 9)"];
    assert_eq!(told(&merge, "a", None, &["ads:read"]), gain);
    assert_eq!(of_scope(&merge, "ads:read"), gain);
}
