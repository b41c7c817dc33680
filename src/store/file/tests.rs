use super::*;
use crate::store::testing::{Files, block, catalog};

/// A token file over a directory, and a catalogue to read it by.
struct Fixture {
    files: Files,
    store: TokenFile,
    catalog: Arc<Catalog>,
}

impl Fixture {
    fn new(tokens: &str) -> Self {
        let files = Files::new(tokens);
        let store = TokenFile::new(TokenFileSettings {
            path: files.tokens(),
            max_size: 1 << 20,
            max_tokens: 10_000,
        });
        Self {
            files,
            store,
            catalog: catalog(),
        }
    }

    fn look(&mut self) -> Result<Load, Faults> {
        let terms = Terms {
            catalog: Some(&self.catalog),
            hmac: false,
        };
        self.store.look(&terms)
    }

    /// Writes, looks and adopts: SIDs put, and SIDs taken away after a hyphen.
    fn edit(&mut self, tokens: &str) -> Vec<String> {
        self.files.write(tokens);
        let load = self.look().expect("a good file");
        self.store.adopt();
        let gone = load.gone.iter().map(|sid| format!("-{sid}"));
        let put = load.put.iter().map(|token| token.sid.to_string());
        let mut changes: Vec<_> = gone.chain(put).collect();
        changes.sort();
        changes
    }

    fn tokens(&self) -> Vec<Arc<Token>> {
        let loaded = self.store.loaded.as_ref();
        let blocks = loaded.map_or(&[][..], |loaded| &loaded.blocks);
        blocks
            .iter()
            .map(|block| Arc::clone(&block.token))
            .collect()
    }

    fn faults(&mut self, tokens: &str) -> Vec<String> {
        self.files.write(tokens);
        let faults = self.look().expect_err("faults").0;
        assert!(faults.iter().all(|fault| fault.file == self.files.tokens()));
        let told = |fault: &Fault| match fault.place {
            Some((line, column)) => format!("{line}:{column} {}", fault.message),
            None => fault.message.clone(),
        };
        faults.iter().map(told).collect()
    }
}

#[test]
fn a_load_tells_what_changed() {
    let [a, b, c] = ["A", "B", "C"].map(|sid| block(sid, "\"items:read\""));
    let mut fixture = Fixture::new("# none\n");
    assert!(fixture.edit("# none\n").is_empty());
    assert_eq!(fixture.edit(&format!("{a}{b}{c}")), ["A", "B", "C"]);
    assert!(fixture.edit(&format!("{a}{b}{c}")).is_empty());
    let b2 = block("B", "");
    assert_eq!(fixture.edit(&format!("{a}{b2}{c}")), ["B"]);
    assert_eq!(fixture.edit(&format!("{a}{c}")), ["-B"]);
    assert_eq!(
        fixture.edit(&format!("# x\n\n{}{a}{c}", block("D", ""))),
        ["D"]
    );
    assert_eq!(fixture.edit("# all gone\n"), ["-A", "-C", "-D"]);
}

#[test]
fn what_did_not_change_is_shared() {
    let [a, b, c] = ["A", "B", "C"].map(|sid| block(sid, ""));
    let mut fixture = Fixture::new("");
    fixture.edit(&format!("{a}{b}{c}"));
    let before = fixture.tokens();
    // Moved, commented and spelt otherwise: the tokens are as they were.
    let b2 = b.replace("scopes = []", "scopes = [ ] # none");
    assert!(fixture.edit(&format!("{c}# of b\n{b2}{a}")).is_empty());
    let after = fixture.tokens();
    for (old, new) in before.iter().zip(after.iter().rev()) {
        assert!(Arc::ptr_eq(old, new), "{}", old.sid);
    }
}

#[test]
fn a_look_alone_changes_nothing() {
    let mut fixture = Fixture::new(&block("A", ""));
    let first = fixture.look().expect("good");
    assert_eq!(fixture.look().expect("good"), first);
    fixture.store.adopt();
    let revision = fixture.look().expect("good").revision;
    assert_eq!(revision, first.revision);
    fixture.files.write(&block("B", ""));
    assert_ne!(fixture.look().expect("good").revision, revision);
}

#[test]
fn all_faults_of_a_file_are_told() {
    let good = block("A", "");
    let mut fixture = Fixture::new("");
    let text = format!(
        "x = 1\n{good}{}{good}{}",
        block("B", "\"no:such\""),
        "[[token]]\nsid = \"C\n"
    );
    assert_eq!(
        fixture.faults(&text),
        [
            "1:1 only comments may stand before the first [[token]]",
            "11:11 the catalogue has no scope \"no:such\"",
            "15:7 the SID A is used already, at 3:7",
            "21:9 invalid TOML: invalid basic string, expected `\"`",
        ]
    );
}

#[test]
fn a_pasted_block_is_a_duplicate_after_a_load_too() {
    let a = block("A", "");
    let mut fixture = Fixture::new("");
    fixture.edit(&a);
    assert_eq!(
        fixture.faults(&format!("{a}{a}")),
        ["8:7 the SID A is used already, at 2:7"]
    );
}

#[test]
fn empty_and_inline_files_are_faults() {
    let mut fixture = Fixture::new("");
    for empty in ["", "\n", " \n\t\n", "\u{feff}"] {
        assert!(fixture.faults(empty)[0].contains("is empty"), "{empty:?}");
    }
    let inline = "# tokens\ntoken = [{ sid = \"A\" }]\n";
    assert!(fixture.faults(inline)[0].starts_with("2:1 write each token as a [[token]] table"));
    assert!(fixture.faults("[token]\n")[0].starts_with("1:1 only comments"));
    assert!(fixture.faults("# \u{1}\n[[token]]\n")[0].starts_with("1:3 invalid TOML"));
    assert!(fixture.edit("\u{feff}# only a comment").is_empty());
}

#[test]
fn bounds_hold() {
    let mut fixture = Fixture::new("");
    fixture.store.settings.max_tokens = 1;
    let two = format!("{}{}", block("A", ""), block("B", ""));
    assert!(fixture.faults(&two)[0].contains("has 2 tokens"));
    fixture.store.settings.max_size = 10;
    assert!(fixture.faults(&two)[0].contains("more than 10 bytes"));
    fixture.store.settings.max_size = 1 << 20;
    fixture.store.settings.max_tokens = 10_000;
    let wrong = "[[token]]\n".repeat(2_000);
    let faults = fixture.faults(&wrong);
    assert_eq!(faults.len(), FAULTS_MAX + 1);
    assert!(faults.last().is_some_and(|last| last.contains("more")));
}

#[test]
fn a_scope_that_the_catalogue_drops_is_told_at_its_place() {
    let text = format!(
        "{}{}",
        block("A", "\"items:read\""),
        block("B", "\"events:read\"")
    );
    let mut fixture = Fixture::new("");
    fixture.edit(&text);
    let before = fixture.tokens();
    let smaller = crate::store::testing::CATALOG;
    let smaller = smaller
        .split("[[category]]\nname = \"Events\"")
        .next()
        .expect("two categories");
    let path = fixture.files.catalog();
    let smaller = Catalog::parse(&path, smaller, Some(&fixture.catalog)).expect("good");
    let full = std::mem::replace(&mut fixture.catalog, Arc::new(smaller));
    assert_eq!(
        fixture.faults(&text),
        ["10:11 the catalogue has no scope \"events:read\""]
    );
    fixture.catalog = full;
    assert!(fixture.edit(&text).is_empty());
    assert!(
        before
            .iter()
            .zip(&fixture.tokens())
            .all(|(a, b)| Arc::ptr_eq(a, b))
    );
}

#[test]
fn many_blocks_are_parsed_on_several_threads_and_stay_in_order() {
    let text: String = (0..5_000).map(|at| block(&format!("T{at}"), "")).collect();
    let files = Files::new(&text);
    let file = std::fs::File::open(files.tokens()).expect("opened");
    let found = scan::scan(&file, 1_000).expect("read").found;
    let found: Vec<_> = found.iter().collect();
    let catalog = catalog();
    let terms = Terms {
        catalog: Some(&catalog),
        hmac: false,
    };
    let (tokens, flaws) = scan::parse(&file, &found, &terms, 3).expect("read");
    assert!(flaws.is_empty());
    let sids = tokens.iter().flatten().map(|token| token.sid.to_string());
    assert!(sids.eq((0..5_000).map(|at| format!("T{at}"))));
}

#[test]
fn the_example_file_is_good() {
    let mut fixture = Fixture::new("");
    fixture.edit(include_str!("../../../config/tokens.toml"));
    let tokens = fixture.tokens();
    let states: Vec<_> = tokens.iter().map(|token| token.state.as_str()).collect();
    assert_eq!(states, ["enabled", "disabled"]);
    assert!(tokens.iter().all(|token| !token.scopes.is_empty()));
}

mod commit;
