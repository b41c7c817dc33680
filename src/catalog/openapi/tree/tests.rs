use proptest::prelude::*;

use super::*;

fn fault(text: &str) -> (usize, String) {
    Tree::parse(text).expect_err(text)
}

#[test]
fn yaml_and_json_are_the_same_tree() {
    let yaml = "a:\n  - 1\n  - b: 'c d'\nе: 2\n";
    let json = "{\n\t\"a\": [1,\n\t{\"b\"\n\t: \"c\\u0020d\"}],\n\t\"е\": 2}";
    for text in [yaml, json] {
        let tree = Tree::parse(text).expect(text);
        let list = tree.under(tree.root(), "a").expect("a");
        let [one, map] = tree.list(list).expect("a list") else {
            panic!("two items");
        };
        assert_eq!(tree.scalar(*one), Some("1"));
        let inner = tree.under(*map, "b").expect("b");
        assert_eq!(tree.scalar(inner), Some("c d"));
        assert_eq!(tree.place(tree.offset(*one)).0, 2);
        assert!(tree.under(tree.root(), "е").is_some());
    }
}

#[test]
fn json_escapes_are_read_in_pairs() {
    let tree = Tree::parse(r#"{"a": "\ud83d\ude00\/"}"#).expect("JSON");
    let a = tree.under(tree.root(), "a").expect("a");
    assert_eq!(tree.scalar(a), Some("😀/"));
}

#[test]
fn places_count_lines_and_characters() {
    let tree = Tree::parse("\u{feff}ä: {é: 1}\nb: 2\n").expect("YAML");
    let a = tree.under(tree.root(), "ä").expect("ä");
    let e = tree.under(a, "é").expect("é");
    assert_eq!(tree.place(tree.offset(e)), (1, 9));
    let b = tree.under(tree.root(), "b").expect("b");
    assert_eq!(tree.place(tree.offset(b)), (2, 4));
}

#[test]
fn a_place_far_into_one_long_line_is_found_at_once() {
    let text = format!("{{\"a\": \"{}\", \"b\": 1}}", "é".repeat(5000));
    let tree = Tree::parse(&text).expect("JSON");
    let b = tree.under(tree.root(), "b").expect("b");
    assert_eq!(tree.place(tree.offset(b)), (1, 5000 + 16));
}

#[test]
fn what_json_takes_and_yaml_does_not_is_read() {
    let text = "{\"a\u{7f}\": \"\u{9f}\u{85}\u{ffff}\", \"b\": 1}";
    serde_json::from_str::<serde_json::Value>(text).expect("JSON");
    let yaml = as_yaml(text);
    let tree = Tree::parse(&yaml).expect("YAML");
    let a = tree.under(tree.root(), "a?").expect("a");
    assert_eq!(tree.scalar(a), Some("??\u{85}???"));
    assert_eq!(yaml.len(), text.len());
    assert!(matches!(as_yaml("a: \u{9f}"), Cow::Borrowed(_)));
}

#[test]
fn an_alias_costs_nothing_and_cannot_contain_itself() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..60 {
        let inner = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{inner}]\n"));
    }
    let tree = Tree::parse(&bomb).expect("a bomb that does not go off");
    assert!(tree.all().count() < 200);
    let (at, message) = fault("a: 1\nb: &x\n  c: *x\n");
    assert_eq!(
        (at, &*message),
        (16, "this alias leads to a value that it is part of")
    );
}

#[test]
fn what_is_no_single_document_is_refused_with_its_place() {
    for (text, at, told) in [
        ("", 0, "the document is empty"),
        ("# nothing\n", 0, "the document is empty"),
        ("a: b: c", 4, "is neither YAML nor JSON: "),
        ("{\"a\": {\"b\": 1}", 0, "is neither YAML nor JSON: "),
        ("a: *b", 3, "is neither YAML nor JSON: "),
        ("--- 1\n--- 2\n", 6, "a second document begins here"),
    ] {
        let (offset, message) = fault(text);
        assert_eq!(offset, at, "{text:?}: {message}");
        assert!(message.starts_with(told), "{text:?}: {message}");
    }
    let many = Tree::parse_bounded("[1, 2, 3, 4]", 4).expect_err("five values");
    assert_eq!(many, (10, "there are more than 4 values".to_owned()));
}

#[test]
fn what_is_nested_too_deep_is_told_where_it_is() {
    let told = "is nested too deep: more than 255 lists and mappings are open here".to_owned();
    let nested =
        |open: &str, close: &str, depth| format!("{}1{}", open.repeat(depth), close.repeat(depth));
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        Tree::parse(&nested(open, close, 255)).expect("255 levels");
        for depth in [256, 100_000] {
            let (offset, message) = fault(&nested(open, close, depth));
            assert_eq!((offset, message), (255 * open.len(), told.clone()));
        }
    }
    let block = |depth| {
        (0..depth)
            .map(|at| " ".repeat(at) + "a:\n")
            .collect::<String>()
    };
    Tree::parse(&block(255)).expect("255 levels");
    let text = block(256);
    let (offset, message) = fault(&text);
    let line = text[..offset].matches('\n').count() + 1;
    assert_eq!((line, message), (256, told));
}

#[test]
fn a_key_may_be_long() {
    for length in [1025, 60_000] {
        let tree = Tree::parse(&format!("{{\"{}\": 1, \"b\": 2}}", "a".repeat(length)))
            .map(|t| t.all().count());
        assert_eq!(tree, Ok(5), "{length}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_tree_or_a_fault(text in "([a-c&*:\\-?\\[\\]{}|>'\"#!%@\\\\,.\n \té]|: |- ){0,60}") {
        if let Ok(tree) = Tree::parse(&text) {
            for node in tree.all() {
                prop_assert!(tree.offset(node) <= text.len());
                tree.place(tree.offset(node));
            }
        }
    }

    #[test]
    fn every_json_is_read_as_json(text in json(4)) {
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let tree = Tree::parse(&text).expect("JSON is YAML");
        prop_assert!(same(&tree, tree.root(), &value), "{}", text);
    }
}

/// JSON texts, with odd spaces and escapes.
fn json(depth: u32) -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<i32>().prop_map(|n| n.to_string()),
        "[ -~é☃]{0,8}".prop_map(|s| serde_json::to_string(&s).expect("a text")),
        Just("\"\\u0041\\ud83d\\ude00\\n\\/\"".to_owned()),
    ];
    leaf.prop_recursive(depth, 24, 4, |inner| {
        let space = prop_oneof![Just(""), Just(" "), Just("\n"), Just("\n\t "), Just("\r\n")];
        let key = "[a-z:#?& \\-]{0,4}".prop_map(|s| serde_json::to_string(&s).expect("a text"));
        let list =
            (prop::collection::vec(inner.clone(), 0..4), space.clone()).prop_map(|(items, gap)| {
                format!("[{gap}{}{gap}]", items.join(&format!("{gap},{gap}")))
            });
        let entry =
            (key, inner, space.clone()).prop_map(|(k, v, gap)| format!("{k}{gap}:{gap}{v}"));
        let map = (prop::collection::vec(entry, 0..4), space).prop_map(|(items, gap)| {
            format!("{{{gap}{}{gap}}}", items.join(&format!("{gap},{gap}")))
        });
        prop_oneof![list, map]
    })
}

fn same(tree: &Tree<'_>, node: NodeId, value: &serde_json::Value) -> bool {
    match (tree.value(node), value) {
        (Value::Scalar(text), serde_json::Value::String(said)) => text == said,
        (Value::Scalar(text), said) => {
            let said = said.to_string();
            *text == said
        }
        (Value::List(items), serde_json::Value::Array(said)) => {
            let all = items.len() == said.len();
            all && items.iter().zip(said).all(|(n, v)| same(tree, *n, v))
        }
        // A key that is there twice is one in JSON's reader.
        (Value::Map(entries), serde_json::Value::Object(said)) => entries.iter().all(|(k, v)| {
            let key = tree.scalar(*k).unwrap_or_default();
            let twice = entries
                .iter()
                .filter(|(k, _)| tree.scalar(*k) == Some(key))
                .count()
                > 1;
            twice || said.get(key).is_some_and(|said| same(tree, *v, said))
        }),
        _ => false,
    }
}
