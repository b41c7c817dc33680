//! Catalogue and tokens as one: both are looked at together, and either both are taken or
//! neither is.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use super::file::{TokenFile, TokenFileSettings};
use super::mutation::Change;
use super::{CommitError, Load, StoreRevision, Terms, TokenChange, TokenStore, read};
use crate::catalog::Catalog;
use crate::config;
use crate::fault::{Fault, Faults};
use crate::snapshot::{Revision, Snapshot, TokenTable};
use crate::token::{Digest, Sid, State, Token, sha256};

/// Where the pair lies, and what of the main file it must agree with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sources {
    pub(super) files: config::Files,
    /// Names that a version's `upstream` may have.
    pub(super) upstreams: Vec<Arc<str>>,
    /// A key for `hmac-sha256:` digests is configured.
    pub(super) hmac: bool,
}

/// Which of the two are read. What is not read stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Which {
    pub(super) catalog: bool,
    pub(super) tokens: bool,
}

impl Which {
    pub(super) const BOTH: Self = Self {
        catalog: true,
        tokens: true,
    };
}

/// The pair in force, and what is needed to look at it again.
#[derive(Debug)]
pub(super) struct Pair {
    sources: Sources,
    store: Box<dyn TokenStore>,
    catalog: Arc<Catalog>,
    catalog_hash: [u8; 32],
    stored: StoreRevision,
    pub(super) tokens: TokenTable,
    pub(super) counts: Counts,
    revision: Revision,
}

/// How many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) tokens: usize,
    pub(super) enabled: usize,
    pub(super) scopes: usize,
    pub(super) rules: usize,
}

/// What a look leads to, not yet taken.
#[derive(Debug)]
pub(super) struct Next {
    sources: Sources,
    /// A new store where the sources differ.
    store: Option<Box<dyn TokenStore>>,
    catalog: Arc<Catalog>,
    catalog_hash: [u8; 32],
    tokens: TokenTable,
    enabled: usize,
    /// What the store is at; `None` where it was not looked at.
    stored: Option<StoreRevision>,
    /// The tokens that differ.
    edits: Vec<Change>,
    pub(super) summary: Summary,
}

/// What changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) added: usize,
    pub(super) changed: usize,
    pub(super) removed: usize,
    pub(super) catalog: bool,
}

impl Summary {
    /// Whether a snapshot of the new state would be as the one in force.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Pair {
    /// Loads both for the first time.
    pub(super) fn open(sources: Sources) -> Result<Self, Faults> {
        let mut store = token_store(&sources);
        let catalog = read_catalog(&sources, None);
        let terms = Terms {
            catalog: catalog.as_ref().ok().map(|(catalog, _)| catalog),
            hmac: sources.hmac,
        };
        let load = store.look(&terms);
        let ((catalog, catalog_hash), load) = both(catalog, load)?;
        store.adopt();
        let enabled = enabled(&load.put);
        Ok(Self {
            sources,
            store,
            counts: Counts::of(&catalog, load.put.len(), enabled),
            catalog,
            catalog_hash,
            stored: load.revision,
            tokens: TokenTable::new(load.put),
            revision: Revision::default(),
        })
    }

    pub(super) fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The last snapshot that was made.
    pub(super) fn revision(&self) -> Revision {
        self.revision
    }

    /// Looks at the files. Nothing changes before [`take`](Self::take).
    pub(super) fn look(&mut self, sources: Sources, which: Which) -> Result<Next, Faults> {
        let mut fresh = (file_settings(&self.sources) != file_settings(&sources))
            .then(|| token_store(&sources));
        let catalog = if which.catalog {
            read_catalog(&sources, Some((&self.catalog, &self.catalog_hash)))
        } else {
            Ok((Arc::clone(&self.catalog), self.catalog_hash))
        };
        let terms = Terms {
            catalog: catalog.as_ref().ok().map(|(catalog, _)| catalog),
            hmac: sources.hmac,
        };
        let looked = which.tokens || fresh.is_some();
        let load = if looked {
            fresh
                .as_mut()
                .unwrap_or(&mut self.store)
                .look(&terms)
                .map(Some)
        } else {
            self.tokens_fit(&terms).map(|()| None)
        };
        let ((catalog, catalog_hash), load) = both(catalog, load)?;
        let mut summary = Summary {
            catalog: !Arc::ptr_eq(&catalog, &self.catalog),
            ..Summary::default()
        };
        let stored = load.as_ref().map(|load| load.revision);
        let edits = load.map_or_else(Vec::new, |load| self.edits(load, fresh.is_some()));
        for edit in &edits {
            match (&edit.before, &edit.after) {
                (None, _) => summary.added += 1,
                (_, None) => summary.removed += 1,
                _ => summary.changed += 1,
            }
        }
        let (tokens, enabled) = self.tokens_after(&edits);
        Ok(Next {
            sources,
            store: fresh,
            catalog,
            catalog_hash,
            tokens,
            enabled,
            stored,
            edits,
            summary,
        })
    }

    /// Takes what a look led to. Gives the tokens that differ.
    pub(super) fn take(&mut self, next: Next) -> Vec<Change> {
        self.sources = next.sources;
        if let Some(store) = next.store {
            self.store = store;
        }
        if let Some(stored) = next.stored {
            self.store.adopt();
            self.stored = stored;
        }
        self.catalog = next.catalog;
        self.catalog_hash = next.catalog_hash;
        self.tokens = next.tokens;
        self.counts = Counts::of(&self.catalog, self.tokens.len(), next.enabled);
        next.edits
    }

    /// Puts changes into the store, and takes them.
    pub(super) fn commit(&mut self, changes: &[Change]) -> Result<(), CommitError> {
        let stored: Vec<TokenChange> = changes
            .iter()
            .map(|change| (change.sid, change.after.clone()))
            .collect();
        let terms = Terms {
            catalog: Some(&self.catalog),
            hmac: self.sources.hmac,
        };
        self.stored = self.store.commit(self.stored, &stored, &terms)?;
        let (tokens, enabled) = self.tokens_after(changes);
        self.counts = Counts::of(&self.catalog, tokens.len(), enabled);
        self.tokens = tokens;
        Ok(())
    }

    /// Takes away what a commit left that was cut short.
    pub(super) fn clean(&self) {
        self.store.clean();
    }

    /// The catalogue in force.
    pub(super) fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// The next snapshot of the pair.
    pub(super) fn snapshot(&mut self) -> Snapshot {
        self.revision.0 += 1;
        Snapshot {
            revision: self.revision,
            tokens: self.tokens.clone(),
            catalog: Arc::clone(&self.catalog),
        }
    }

    /// Whether the tokens in force can stand under other terms. Their file is not read, so
    /// the faults name tokens and have no place.
    fn tokens_fit(&self, terms: &Terms<'_>) -> Result<(), Faults> {
        let Some(catalog) = terms.catalog else {
            return Ok(()); // told as a fault of the catalogue
        };
        let file = &self.sources.files.catalog;
        let mut faults = Vec::new();
        let in_use = self.tokens.in_use();
        let holder = |holds: &dyn Fn(&Token) -> bool| {
            let token = self.tokens.iter().find(|token| holds(token));
            token.map_or_else(String::new, |token| token.sid.to_string())
        };
        for scope in in_use
            .scopes
            .iter()
            .filter(|&scope| catalog.scope(scope).is_none())
        {
            let id = self.catalog.scope(scope).map_or("", |scope| &scope.id);
            let holder = holder(&|token| token.scopes.contains(scope));
            let message = format!("lacks the scope {id:?}, which the token {holder} holds");
            faults.push(Fault::new(file, message));
        }
        for version in in_use.versions {
            if catalog.version(Some(version)).is_none() {
                let id = self.catalog.version(Some(version));
                let id = id.map_or("", |version| &version.id);
                let holder = holder(&|token| token.version == Some(version));
                let message = format!("lacks the version {id:?}, which the token {holder} has");
                faults.push(Fault::new(file, message));
            }
        }
        if self.sources.hmac && !terms.hmac {
            let is_hmac = |token: &Token| matches!(token.digest, Digest::HmacSha256(_));
            if self.tokens.iter().any(|token| is_hmac(token)) {
                let message = "has hmac-sha256 digests, and [secrets] hmac_key_file is gone";
                faults.push(Fault::new(&self.sources.files.tokens, message));
            }
        }
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Faults(faults))
        }
    }

    /// What a load changes. A load of a fresh store is all there is.
    fn edits(&self, load: Load, fresh: bool) -> Vec<Change> {
        let mut gone = load.gone;
        if fresh {
            let stays: HashSet<&Sid> = load.put.iter().map(|token| &token.sid).collect();
            let tokens = self.tokens.iter().map(|token| token.sid);
            gone.extend(tokens.filter(|sid| !stays.contains(sid)));
        }
        let change = |sid: Sid, after| Change {
            sid,
            before: self.tokens.find(sid.as_bytes()).cloned(),
            after,
        };
        let put = load
            .put
            .into_iter()
            .map(|token| change(token.sid, Some(token)));
        let mut edits: Vec<Change> = put.filter(|edit| !edit.is_empty()).collect();
        edits.extend(gone.into_iter().map(|sid| change(sid, None)));
        edits
    }

    /// The tokens after changes, and how many of them are enabled: counted by the changes,
    /// for there may be a million.
    fn tokens_after(&self, changes: &[Change]) -> (TokenTable, usize) {
        let before = changes.iter().filter_map(|change| change.before.as_ref());
        let after = changes.iter().filter_map(|change| change.after.as_ref());
        let enabled = self.counts.enabled + enabled(after) - enabled(before);
        let puts = changes
            .iter()
            .map(|change| (change.sid, change.after.clone()));
        (self.tokens.with(puts), enabled)
    }
}

impl Counts {
    fn of(catalog: &Catalog, tokens: usize, enabled: usize) -> Self {
        let scopes = || {
            catalog
                .categories
                .iter()
                .flat_map(|category| &category.scopes)
        };
        Self {
            tokens,
            enabled,
            scopes: scopes().count(),
            rules: scopes().map(|scope| scope.rules.len()).sum(),
        }
    }
}

fn enabled<'a>(tokens: impl IntoIterator<Item = &'a Arc<Token>>) -> usize {
    let tokens = tokens.into_iter();
    tokens.filter(|token| token.state == State::Enabled).count()
}

fn token_store(sources: &Sources) -> Box<dyn TokenStore> {
    Box::new(TokenFile::new(file_settings(sources)))
}

fn file_settings(sources: &Sources) -> TokenFileSettings {
    TokenFileSettings {
        path: sources.files.tokens.clone(),
        max_size: sources.files.max_size,
        max_tokens: sources.files.max_tokens,
    }
}

/// Both, or the faults of both.
fn both<A, B>(a: Result<A, Faults>, b: Result<B, Faults>) -> Result<(A, B), Faults> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (Err(mut a), Err(b)) => {
            a.0.extend(b.0);
            Err(a)
        }
        (Err(faults), Ok(_)) | (Ok(_), Err(faults)) => Err(faults),
    }
}

type HashedCatalog = (Arc<Catalog>, [u8; 32]);

/// Reads the catalogue; one that says what it said is the same value.
fn read_catalog(
    sources: &Sources,
    previous: Option<(&Arc<Catalog>, &[u8; 32])>,
) -> Result<HashedCatalog, Faults> {
    let path: &Path = &sources.files.catalog;
    let text = read::read(path, sources.files.max_size)?.text;
    let hash = sha256(text.as_bytes());
    let catalog = match previous {
        Some((catalog, was)) if *was == hash => Arc::clone(catalog),
        previous => {
            let previous = previous.map(|(catalog, _)| catalog.as_ref());
            Arc::new(Catalog::parse(path, &text, previous)?)
        }
    };
    let unknown: Vec<Fault> = catalog
        .upstream_names()
        .filter(|(name, _)| !sources.upstreams.iter().any(|known| **known == **name))
        .map(|(name, place)| Fault {
            place: Some(place),
            ..Fault::new(path, format!("the main file has no upstream {name:?}"))
        })
        .collect();
    if unknown.is_empty() {
        Ok((catalog, hash))
    } else {
        Err(Faults(unknown))
    }
}
