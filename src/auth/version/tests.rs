use std::path::Path;

use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;

const CATALOG: &str = r#"
[versions]
latest = "16"
header = "IR-Version"
query = ["IrVersion", "Ir-Version"]
[[versions.version]]
id = "16"
[[versions.version]]
id = "15"
[[versions.version]]
id = "2+b"
"#;

fn catalog() -> Catalog {
    Catalog::parse(Path::new("catalog.toml"), CATALOG, None).expect("no fault")
}

fn headers(values: &[&str]) -> HeaderMap {
    let name = HeaderName::from_static("ir-version");
    let value = |value: &&str| HeaderValue::from_str(value).expect("a value");
    let pairs = values.iter().map(|v| (name.clone(), value(v)));
    pairs.collect()
}

/// The id that is named.
fn named(values: &[&str], query: &str) -> Result<Option<String>, BadVersion> {
    let catalog = catalog();
    let query = (!query.is_empty()).then_some(query);
    let number = named_version(&catalog, &headers(values), query)?;
    Ok(number.and_then(|number| Some(catalog.version(Some(number))?.id.to_string())))
}

#[test]
fn each_spelling_names_a_version_and_all_must_agree() {
    for (values, query, expected) in [
        (&[][..], "", Ok(None)),
        (
            &[],
            "x=1&irversion=15&Ir_Version=15&IrVersions=15",
            Ok(None),
        ),
        (&["15"], "", Ok(Some("15"))),
        (&["15", "15"], "", Ok(Some("15"))),
        (&[], "IrVersion=15", Ok(Some("15"))),
        (&[], "a=b&&Ir-Version=15&c", Ok(Some("15"))),
        (&[], "%49rVersion=%31%35", Ok(Some("15"))),
        (&["15"], "IrVersion=15&Ir-Version=1%35", Ok(Some("15"))),
        (&["2+b"], "IrVersion=2%2Bb", Ok(Some("2+b"))),
        (&["16", "15"], "", Err(BadVersion::Conflict)),
        (&["16"], "IrVersion=15", Err(BadVersion::Conflict)),
        (&["16"], "IrVersion", Err(BadVersion::Conflict)),
        (&["16"], "IrVersion=99", Err(BadVersion::Conflict)),
        (&["99"], "IrVersion=98", Err(BadVersion::Conflict)),
        (&[], "IrVersion=15&IrVersion=16", Err(BadVersion::Conflict)),
        (&[], "IrVersion=15&Ir-Version=16", Err(BadVersion::Conflict)),
        (&["99"], "IrVersion=99", Err(BadVersion::Unknown)),
        (&["99"], "", Err(BadVersion::Unknown)),
        (&[""], "", Err(BadVersion::Unknown)),
        (&["15, 15"], "", Err(BadVersion::Unknown)),
        (&["015"], "", Err(BadVersion::Unknown)),
        (&[], "IrVersion=", Err(BadVersion::Unknown)),
        (&[], "IrVersion", Err(BadVersion::Unknown)),
        (&[], "IrVersion=15%", Err(BadVersion::Unknown)),
        (&[], "IrVersion=1%zz5", Err(BadVersion::Unknown)),
        (&[], "IrVersion=15%00", Err(BadVersion::Unknown)),
        (&[], "IrVersion=+15", Err(BadVersion::Unknown)),
        (&[], "IrVersion=2+b", Err(BadVersion::Unknown)),
        (&[], "IrVersion==15", Err(BadVersion::Unknown)),
    ] {
        let expected = expected.map(|id| id.map(str::to_owned));
        assert_eq!(named(values, query), expected, "{values:?} {query}");
    }
}

#[test]
fn a_version_behind_a_semicolon_is_a_conflict_and_nothing_else_there_is() {
    for query in [
        "a=1;IrVersion=15",
        ";IrVersion=15",
        "a;x;%49r-Version",
        "IrVersion=15;IrVersion=15",
    ] {
        assert_eq!(named(&[], query), Err(BadVersion::Conflict), "{query}");
    }
    assert_eq!(named(&["15"], "a=1;b=2;c"), Ok(Some("15".to_owned())));
    assert_eq!(named(&[], "IrVersion=15;a=1"), Err(BadVersion::Unknown));
}

#[test]
fn a_catalogue_that_lists_no_spelling_reads_none() {
    let text = CATALOG
        .replace("header", "# header")
        .replace("query", "# query");
    let catalog = Catalog::parse(Path::new("catalog.toml"), &text, None).expect("no fault");
    let found = named_version(&catalog, &headers(&["99"]), Some("IrVersion=98"));
    assert_eq!(found, Ok(None));
}

fn encoded(text: &str, which: &[bool]) -> String {
    let which = which.iter().chain(std::iter::repeat(&false));
    let each = text.bytes().zip(which).map(|(byte, encode)| match encode {
        true => format!("%{byte:02x}"),
        false => char::from(byte).to_string(),
    });
    each.collect()
}

proptest! {
    #[test]
    fn any_encoding_is_the_same(
        name in prop::collection::vec(any::<bool>(), 9),
        value in prop::collection::vec(any::<bool>(), 2),
    ) {
        let query = format!("x&{}={}", encoded("IrVersion", &name), encoded("15", &value));
        prop_assert_eq!(named(&["15"], &query), Ok(Some("15".to_owned())));
        prop_assert_eq!(named(&["16"], &query), Err(BadVersion::Conflict));
    }

    #[test]
    fn no_query_panics_and_only_a_known_version_comes_out(query in "[a-zIrV%+;&=0-9-]{0,40}") {
        if let Ok(Some(id)) = named(&[], &query) {
            prop_assert!(["16", "15", "2+b"].contains(&&*id));
        }
    }
}
