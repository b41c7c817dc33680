//! What an operator can do to a token, and what becomes of it: a pure step from tokens and
//! catalogue to one changed token, with every field rule and all faults at once.
//!
//! It stands above tokens and catalogue because it judges one by the other, and below
//! everything that waits: no clock, no randomness and no file. New SIDs and what is kept of
//! new auth tokens come with the mutation.

mod judge;

use std::sync::Arc;

use jiff::Timestamp;

use self::judge::Judge;
use crate::catalog::{Catalog, VersionId};
use crate::snapshot::TokenTable;
use crate::token::rules;
use crate::token::{Digest, Sid, State, Texts, Token};

/// One change that is asked for.
#[derive(Clone, Debug)]
pub enum Mutation {
    /// Makes a token under a new SID.
    Create {
        /// The new SID.
        sid: Sid,
        /// What is kept of its auth token.
        kept: Kept,
        /// Everything else.
        fields: Fields,
    },
    /// Changes some fields.
    Edit(Sid, Patch),
    /// Makes a token with the rights and settings of another. It is enabled.
    Duplicate {
        /// The token that is copied.
        of: Sid,
        /// The new SID.
        sid: Sid,
        /// What is kept of the new auth token.
        kept: Kept,
    },
    /// Gives a token another auth token: the old one stops.
    Reset {
        /// The token.
        sid: Sid,
        /// What is kept of the new auth token.
        kept: Kept,
    },
    /// Moves a token up to a version; the latest where none is named.
    Upgrade(Sid, Option<String>),
    /// Enables a token; one that is enabled stays as it is.
    Enable(Sid),
    /// Disables a token; one that is disabled stays as it is.
    Disable(Sid),
    /// Takes a token away for good.
    Delete(Sid),
}

/// What is kept of an auth token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What it is verified against.
    pub digest: Digest,
    /// The auth token itself, sealed, where sealing is configured.
    pub sealed: Option<Box<str>>,
}

/// The fields of a new token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// 1 to 128 characters.
    pub name: String,
    /// Up to 1,024 characters.
    pub description: String,
    /// A version of the catalogue; `None` for the one that is the latest now.
    pub api_version: Option<String>,
    /// An e-mail address, or empty.
    pub primary_contact: String,
    /// E-mail addresses.
    pub developer_emails: Vec<String>,
    /// Scopes of the catalogue.
    pub scopes: Vec<String>,
}

/// Fields to change; `None` leaves one as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    /// 1 to 128 characters.
    pub name: Option<String>,
    /// Up to 1,024 characters.
    pub description: Option<String>,
    /// A version of the catalogue, not older than the token's.
    pub api_version: Option<String>,
    /// An e-mail address, or empty.
    pub primary_contact: Option<String>,
    /// E-mail addresses.
    pub developer_emails: Option<Vec<String>>,
    /// Scopes of the catalogue.
    pub scopes: Option<Vec<String>>,
}

/// One token before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The token's SID.
    pub sid: Sid,
    /// As it was; `None` where it is new.
    pub before: Option<Arc<Token>>,
    /// As it is; `None` where it is gone.
    pub after: Option<Arc<Token>>,
}

impl Change {
    /// Whether everything stays as it was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.before == self.after
    }
}

/// Why a mutation cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MutationError {
    /// No token has this SID.
    #[error("there is no such token")]
    NotFound,
    /// A new SID is some token's already.
    #[error("the new SID is taken")]
    SidTaken,
    /// An upgrade to the version that the token has.
    #[error("the token has this version already")]
    VersionReached,
    /// Fields break their rules: all of them.
    #[error("{} of the fields break their rules", .0.len())]
    Fields(Vec<FieldFault>),
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFault {
    /// The field, as the admin API names it; of a list with the place, `scopes[2]`.
    pub field: String,
    /// What is wrong, in a sentence without a full stop.
    pub message: String,
}

impl Mutation {
    /// The token that is changed or copied. Where this one was edited by hand meanwhile,
    /// the mutation is a conflict.
    #[must_use]
    pub fn subject(&self) -> &Sid {
        match self {
            Self::Create { sid, .. } | Self::Reset { sid, .. } => sid,
            Self::Duplicate { of, .. } => of,
            Self::Edit(sid, _)
            | Self::Upgrade(sid, _)
            | Self::Enable(sid)
            | Self::Disable(sid)
            | Self::Delete(sid) => sid,
        }
    }

    /// What it is called in records.
    #[must_use]
    pub fn action(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Edit(..) => "edit",
            Self::Duplicate { .. } => "duplicate",
            Self::Reset { .. } => "reset",
            Self::Upgrade(..) => "upgrade",
            Self::Enable(_) => "enable",
            Self::Disable(_) => "disable",
            Self::Delete(_) => "delete",
        }
    }

    /// What becomes of its token.
    ///
    /// # Errors
    /// [`MutationError`]; of the fields, all faults.
    pub fn apply(
        &self,
        tokens: &TokenTable,
        catalog: &Catalog,
        now: Timestamp,
    ) -> Result<Change, MutationError> {
        let find = |sid: &Sid| {
            let token = tokens.find(sid.as_bytes()).cloned();
            token.ok_or(MutationError::NotFound)
        };
        let step = Step { catalog, now };
        match self {
            Self::Create { sid, kept, fields } => {
                step.put_new(tokens, sid, step.create(sid, kept, fields)?)
            }
            Self::Duplicate { of, sid, kept } => {
                step.put_new(tokens, sid, step.duplicate(&*find(of)?, sid, kept))
            }
            Self::Edit(sid, patch) => {
                let before = find(sid)?;
                let after = step.edit(&before, patch)?;
                Ok(step.changed(before, after))
            }
            Self::Reset { sid, kept } => {
                let before = find(sid)?;
                let mut after = Token::clone(&before);
                kept.put_in(&mut after);
                Ok(step.changed(before, after))
            }
            Self::Upgrade(sid, version) => {
                let before = find(sid)?;
                let after = step.upgrade(&before, version.as_deref())?;
                Ok(step.changed(before, after))
            }
            Self::Enable(sid) => Ok(step.switch(find(sid)?, State::Enabled)),
            Self::Disable(sid) => Ok(step.switch(find(sid)?, State::Disabled)),
            Self::Delete(sid) => Ok(Change {
                sid: *sid,
                before: Some(find(sid)?),
                after: None,
            }),
        }
    }
}

impl Kept {
    fn put_in(&self, token: &mut Token) {
        token.digest = self.digest.clone();
        token.texts.sealed = self.sealed.clone();
    }
}

struct Step<'a> {
    catalog: &'a Catalog,
    now: Timestamp,
}

impl Step<'_> {
    fn put_new(
        &self,
        tokens: &TokenTable,
        sid: &Sid,
        token: Token,
    ) -> Result<Change, MutationError> {
        if tokens.find(sid.as_bytes()).is_some() {
            return Err(MutationError::SidTaken);
        }
        Ok(Change {
            sid: *sid,
            before: None,
            after: Some(Arc::new(token)),
        })
    }

    /// The time of change is set where something did.
    fn changed(&self, before: Arc<Token>, mut after: Token) -> Change {
        let same = *before == after;
        if !same {
            after.texts.updated_at = Some(self.now);
        }
        Change {
            sid: before.sid,
            after: Some(if same {
                Arc::clone(&before)
            } else {
                Arc::new(after)
            }),
            before: Some(before),
        }
    }

    fn create(&self, sid: &Sid, kept: &Kept, fields: &Fields) -> Result<Token, MutationError> {
        let mut judge = Judge::default();
        let token = Token {
            sid: *sid,
            digest: kept.digest.clone(),
            state: State::Enabled,
            // The latest is written down: a token must not change its version when the
            // catalogue gains one.
            version: match &fields.api_version {
                Some(id) => judge.version(self.catalog, "api_version", id),
                None => self.catalog.latest,
            },
            scopes: judge.scopes(self.catalog, &fields.scopes),
            account: None,
            texts: Box::new(Texts {
                name: judge.text("name", &fields.name, rules::name),
                description: judge.text("description", &fields.description, rules::description),
                primary_contact: judge.contact(&fields.primary_contact),
                developer_emails: judge.emails(&fields.developer_emails),
                created_at: Some(self.now),
                updated_at: Some(self.now),
                sealed: kept.sealed.clone(),
            }),
        };
        judge.done(token)
    }

    fn duplicate(&self, of: &Token, sid: &Sid, kept: &Kept) -> Token {
        let mut token = of.clone();
        token.sid = *sid;
        token.state = State::Enabled;
        token.texts.created_at = Some(self.now);
        token.texts.updated_at = Some(self.now);
        kept.put_in(&mut token);
        token
    }

    fn edit(&self, before: &Token, patch: &Patch) -> Result<Token, MutationError> {
        let mut judge = Judge::default();
        let mut token = before.clone();
        let texts = &mut token.texts;
        if let Some(name) = &patch.name {
            texts.name = judge.text("name", name, rules::name);
        }
        if let Some(description) = &patch.description {
            texts.description = judge.text("description", description, rules::description);
        }
        if let Some(contact) = &patch.primary_contact {
            texts.primary_contact = judge.contact(contact);
        }
        if let Some(emails) = &patch.developer_emails {
            texts.developer_emails = judge.emails(emails);
        }
        if let Some(scopes) = &patch.scopes {
            token.scopes = judge.scopes(self.catalog, scopes);
        }
        if let Some(id) = &patch.api_version
            && let Some(version) = judge.version(self.catalog, "api_version", id)
        {
            if self.is_older(version, before.version) {
                judge.fault("api_version", "a token's version cannot be lowered");
            } else if Some(version) != self.resolved(before.version) {
                // One that follows the latest and is told to be the latest goes on following.
                token.version = Some(version);
            }
        }
        judge.done(token)
    }

    fn upgrade(&self, before: &Token, version: Option<&str>) -> Result<Token, MutationError> {
        let mut judge = Judge::default();
        let to = match version {
            Some(id) => judge.version(self.catalog, "version", id),
            None => self.catalog.latest,
        };
        if let Some(to) = to
            && self.is_older(to, before.version)
        {
            judge.fault("version", "a token's version cannot be lowered");
        }
        let mut token = judge.done(before.clone())?;
        if to == self.resolved(before.version) {
            return Err(MutationError::VersionReached);
        }
        token.version = to;
        Ok(token)
    }

    fn switch(&self, before: Arc<Token>, state: State) -> Change {
        let mut after = Token::clone(&before);
        after.state = state;
        self.changed(before, after)
    }

    fn resolved(&self, version: Option<VersionId>) -> Option<VersionId> {
        version.or(self.catalog.latest)
    }

    /// Whether one version is older than another. Versions lie newest first.
    fn is_older(&self, version: VersionId, than: Option<VersionId>) -> bool {
        let place = |number| {
            let mut versions = self.catalog.versions.iter();
            versions.position(|version| version.number == number)
        };
        let than = self.resolved(than).and_then(place);
        place(version) > than && than.is_some()
    }
}

#[cfg(test)]
mod tests;
