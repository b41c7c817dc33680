use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use proptest::prelude::*;

use super::*;
use crate::token::{Digest, State};

impl Fixture {
    fn loaded(tokens: &str) -> Self {
        let mut fixture = Self::new(tokens);
        fixture.look().expect("a good file");
        fixture.store.adopt();
        fixture
    }

    fn base(&self) -> StoreRevision {
        self.store
            .loaded
            .as_ref()
            .expect("something is loaded")
            .revision
    }

    fn commit(&mut self, changes: &[TokenChange]) -> Result<StoreRevision, CommitError> {
        let terms = Terms {
            catalog: Some(&self.catalog),
            hmac: false,
        };
        self.store.commit(self.base(), changes, &terms)
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.files.tokens()).expect("read")
    }

    fn change(&self, sid: &str, change: impl FnOnce(&mut Token)) -> TokenChange {
        let tokens = self.tokens();
        let token = tokens.iter().find(|token| token.sid.as_str() == sid);
        let mut token = Token::clone(token.expect("it is there"));
        change(&mut token);
        (token.sid, Some(Arc::new(token)))
    }

    /// No trace of a commit but its result.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.files.path()).expect("a directory");
        let mut names: Vec<_> = entries
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }
}

fn sid(text: &str) -> Sid {
    Sid::parse(text.as_bytes()).expect("a SID")
}

const HAND_WRITTEN: &str = "# The file.\n\n# Of A.\n[[token]]\n  name = 'Ä'   # its name\n  sid = \"A\"\n  scopes = [\n    \"items:read\", # reads\n  ]\n  digest = \"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"\n\n# ---- Partners ----\n\n# Of B.\n[[token]]\nsid=\"B\"\ndescription = \"\"\"\nlong\"\"\"\nname=\"b\"\ndigest=\"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"";

#[test]
fn only_what_changed_is_written_otherwise() {
    let mut fixture = Fixture::loaded(HAND_WRITTEN);
    let change = fixture.change("A", |token| {
        token.state = State::Disabled;
        token.texts.name = "a \"b\" \\".into();
        token.texts.updated_at = "2026-11-21T12:00:00.25Z".parse().ok();
    });
    fixture.commit(&[change]).expect("committed");
    let expected = HAND_WRITTEN
        .replace("'Ä'   #", "\"a \\\"b\\\" \\\\\"   #")
        .replace(
            "0f00a08\"\n\n# ----",
            "0f00a08\"\n  state = \"disabled\"\n  updated_at = 2026-11-21T12:00:00.25Z\n\n# ----",
        );
    assert_eq!(fixture.text(), expected);

    let change = fixture.change("B", |token| {
        token.texts.description = Box::default();
        token.scopes = fixture
            .catalog
            .scope_number("items:write")
            .into_iter()
            .collect();
    });
    fixture.commit(&[change]).expect("committed");
    let expected =
        expected.replace("\"\"\"\nlong\"\"\"", "\"\"") + "\nscopes = [\"items:write\"]\n";
    assert_eq!(fixture.text(), expected);
    assert!(fixture.look().expect("good").is_empty());
    assert_eq!(fixture.names(), ["catalog.toml", "tokens.toml"]);
}

#[test]
fn a_deleted_token_takes_its_own_comments_along() {
    let mut fixture = Fixture::loaded(HAND_WRITTEN);
    fixture.commit(&[(sid("A"), None)]).expect("committed");
    let at = HAND_WRITTEN.find("# Of B.").expect("it is there");
    let expected = format!(
        "# The file.\n\n\n# ---- Partners ----\n\n{}",
        &HAND_WRITTEN[at..]
    );
    assert_eq!(fixture.text(), expected);
    fixture.commit(&[(sid("B"), None)]).expect("committed");
    assert_eq!(fixture.text(), "# The file.\n\n\n# ---- Partners ----\n\n");
    let mut fixture = Fixture::loaded(&block("A", ""));
    fixture.commit(&[(sid("A"), None)]).expect("committed");
    assert_eq!(fixture.text(), "# There are no tokens.\n");
    assert!(fixture.look().expect("good").is_empty());
}

#[test]
fn a_new_token_comes_last() {
    for (before, gap) in [("# x", "\n\n"), ("# x\n", "\n"), ("# x\n\n", "")] {
        let mut fixture = Fixture::loaded(before);
        let mut other = Fixture::loaded(HAND_WRITTEN);
        let mut token = other.tokens().remove(0);
        Arc::make_mut(&mut token).texts.sealed = Some("k1:x".into());
        fixture
            .commit(&[(sid("A"), Some(token))])
            .expect("committed");
        let expected = format!(
            "{before}{gap}[[token]]\nsid = \"A\"\nname = \"Ä\"\nscopes = [\"items:read\"]\ndigest = \"{}\"\nsealed = \"k1:x\"\n",
            crate::store::testing::DIGEST
        );
        assert_eq!(fixture.text(), expected);
        assert!(fixture.look().expect("good").is_empty());
        assert!(other.look().expect("good").is_empty());
    }
}

#[test]
fn a_seal_goes_with_its_line() {
    let text = block("A", "").replace("digest", "sealed = 'x' # old\r\nstate='enabled'\r\ndigest");
    let mut fixture = Fixture::loaded(&text);
    let change = fixture.change("A", |token| {
        token.texts.sealed = None;
        token.version = fixture.catalog.version_number("1");
    });
    fixture.commit(&[change]).expect("committed");
    let expected = text.replace("sealed = 'x' # old\r\n", "");
    let expected = expected.trim_end().to_owned() + "\napi_version = \"1\"\r\n\n";
    assert_eq!(fixture.text(), expected);
}

#[test]
fn a_hand_edit_is_not_overwritten() {
    let mut fixture = Fixture::loaded(HAND_WRITTEN);
    let change = fixture.change("A", |token| token.state = State::Disabled);
    let edited = HAND_WRITTEN.replace("Of A", "of a");
    fixture.files.write(&edited);
    assert_eq!(
        fixture.commit(std::slice::from_ref(&change)),
        Err(CommitError::Moved)
    );
    std::fs::remove_file(fixture.files.tokens()).expect("removed");
    assert_eq!(fixture.commit(&[change]), Err(CommitError::Moved));

    // One that comes between the reading and the exchange is put back.
    fixture.files.write(&edited);
    let path = fixture.files.tokens();
    let exchange = Exchange {
        path: &path,
        base: HAND_WRITTEN,
    };
    assert_eq!(exchange.put("# ours\n"), Err(CommitError::Moved));
    assert_eq!(fixture.text(), edited);
    assert_eq!(fixture.names(), ["catalog.toml", "tokens.toml"]);
}

#[test]
fn owner_mode_and_link_stay() {
    let mut fixture = Fixture::loaded(HAND_WRITTEN);
    let real = fixture.files.path().join("real.toml");
    std::fs::rename(fixture.files.tokens(), &real).expect("renamed");
    symlink("real.toml", fixture.files.tokens()).expect("linked");
    std::fs::set_permissions(&real, PermissionsExt::from_mode(0o640)).expect("set");
    let before = std::fs::metadata(&real).expect("it is there");
    fixture.commit(&[(sid("B"), None)]).expect("committed");
    let after = std::fs::metadata(&real).expect("it is there");
    assert_eq!(after.mode(), before.mode());
    assert_eq!((after.uid(), after.gid()), (before.uid(), before.gid()));
    assert!(fixture.files.tokens().is_symlink());
    assert!(!fixture.text().contains("Of B"));
}

#[test]
fn a_file_that_may_not_be_written_stays() {
    let mut fixture = Fixture::loaded(HAND_WRITTEN);
    std::fs::set_permissions(fixture.files.tokens(), PermissionsExt::from_mode(0o444))
        .expect("set");
    let result = fixture.commit(&[(sid("B"), None)]);
    assert!(
        matches!(result, Err(CommitError::Unavailable(_))),
        "{result:?}"
    );
    assert_eq!(fixture.text(), HAND_WRITTEN);

    fixture.store.settings.max_tokens = 2;
    let change = fixture.change("A", |token| token.sid = sid("C"));
    let result = fixture.commit(&[change]);
    assert!(
        matches!(result, Err(CommitError::Unavailable(_))),
        "{result:?}"
    );
}

#[test]
fn what_a_crash_leaves_is_taken_away() {
    let fixture = Fixture::loaded(HAND_WRITTEN);
    let left = fixture.files.path().join(".tokens.toml.sidgate-00.tmp");
    let other = fixture.files.path().join(".tokens.toml.mine.tmp");
    std::fs::write(left, "x").expect("written");
    std::fs::write(other, "x").expect("written");
    fixture.store.clean();
    assert_eq!(
        fixture.names(),
        [".tokens.toml.mine.tmp", "catalog.toml", "tokens.toml"]
    );
}

/// A change to one of five tokens: to another digest or state, a new one, or away.
fn step() -> impl Strategy<Value = (u8, Option<(u8, bool, String)>)> {
    (
        0u8..5,
        prop::option::weighted(0.7, (any::<u8>(), any::<bool>(), "\\PC{1,8}")),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever is committed: the file says what is loaded, and a look finds nothing new.
    #[test]
    fn the_file_says_what_is_loaded(steps in prop::collection::vec(prop::collection::vec(step(), 1..3), 1..6)) {
        let [c, d] = ["T3", "T4"].map(|sid| block(sid, "\"items:read\""));
        let mut fixture = Fixture::loaded(&format!("# x\n{c}\n# detached\n\n# of d\n{d}# end"));
        for changes in steps {
            let changes: Vec<TokenChange> = changes
                .into_iter()
                .map(|(at, token)| {
                    let token = token.map(|(digest, enabled, name)| {
                        let mut token = Token::clone(&fixture.tokens().first().cloned().unwrap_or_else(|| {
                            Fixture::loaded(HAND_WRITTEN).tokens().remove(0)
                        }));
                        token.sid = sid(&format!("T{at}"));
                        token.digest = Digest::Sha256([digest; 32]);
                        token.state = if enabled { State::Enabled } else { State::Disabled };
                        token.texts.name = name.into();
                        Arc::new(token)
                    });
                    (sid(&format!("T{at}")), token)
                })
                .collect();
            fixture.commit(&changes).expect("committed");
            for (sid, token) in changes.iter().rev().take(1) {
                let tokens = fixture.tokens();
                let found = tokens.iter().find(|token| token.sid == *sid);
                prop_assert_eq!(found, token.as_ref());
            }
            prop_assert!(fixture.look().expect("good").is_empty());
            let mut again = Fixture::loaded(&fixture.text());
            prop_assert_eq!(again.tokens(), fixture.tokens());
            prop_assert!(again.look().expect("good").is_empty());
        }
    }
}
