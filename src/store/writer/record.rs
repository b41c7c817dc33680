//! What the audit is told. Never a digest, a seal or an auth token.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::batch::{MutateError, Origin};
use crate::catalog::Catalog;
use crate::store::mutation::Change;
use crate::store::pair::Summary;
use crate::telemetry::audit::Record;
use crate::token::{Sid, Token};

/// Changes of one look at the files that are recorded one by one; the rest as a number.
const EDITS_MAX: usize = 1_000;

/// A change is about to be made.
pub(super) fn intent(
    origin: &Origin,
    action: &str,
    change: &Change,
    catalog: &Catalog,
    now: Timestamp,
) -> Record {
    let mut record = base("intent", now, action, Some(&change.sid));
    by(&mut record, origin);
    states(&mut record, change, catalog);
    record
}

/// What became of a change that was about to be made, or why none was.
pub(super) fn outcome(
    origin: &Origin,
    action: &str,
    sid: Option<&Sid>,
    result: Result<(), &MutateError>,
) -> Record {
    let mut record = base("outcome", Timestamp::now(), action, sid);
    by(&mut record, origin);
    let outcome = result.map_or_else(MutateError::code, |()| "done");
    record.insert("outcome".to_owned(), outcome.into());
    record
}

/// Something that changed no token, as showing an auth token or refusing a call.
pub(super) fn event(origin: &Origin, action: &str, sid: Option<&Sid>, outcome: &str) -> Record {
    let mut record = base("event", Timestamp::now(), action, sid);
    by(&mut record, origin);
    record.insert("outcome".to_owned(), outcome.into());
    record
}

/// What a look at the files has brought.
pub(super) fn of_files(edits: &[Change], summary: &Summary, catalog: &Catalog) -> Vec<Record> {
    let now = Timestamp::now();
    let mut records: Vec<Record> = edits
        .iter()
        .take(EDITS_MAX)
        .map(|edit| {
            let action = match (&edit.before, &edit.after) {
                (None, _) => "create",
                (_, None) => "delete",
                _ => "edit",
            };
            let mut record = base("change", now, action, Some(&edit.sid));
            record.insert("actor".to_owned(), "file".into());
            states(&mut record, edit, catalog);
            record
        })
        .collect();
    if summary.catalog || edits.len() > EDITS_MAX {
        let mut record = base("change", now, "reload", None);
        record.insert("actor".to_owned(), "file".into());
        record.insert("catalog".to_owned(), summary.catalog.into());
        for (name, count) in [
            ("added", summary.added),
            ("changed", summary.changed),
            ("removed", summary.removed),
        ] {
            record.insert(name.to_owned(), count.into());
        }
        records.push(record);
    }
    records
}

/// The token before and after, and whether its auth token is another one now.
fn states(record: &mut Record, change: &Change, catalog: &Catalog) {
    let state = |token: &Option<Arc<Token>>| {
        let token = token.as_deref();
        token.map_or(Value::Null, |token| described(token, catalog))
    };
    record.insert("before".to_owned(), state(&change.before));
    record.insert("after".to_owned(), state(&change.after));
    let new_secret = match (&change.before, &change.after) {
        (Some(before), Some(after)) => before.digest != after.digest,
        (None, Some(_)) => true,
        _ => false,
    };
    record.insert("new_auth_token".to_owned(), new_secret.into());
}

fn base(kind: &str, at: Timestamp, action: &str, sid: Option<&Sid>) -> Record {
    let mut record = Record::new();
    record.insert("kind".to_owned(), kind.into());
    record.insert("at".to_owned(), at.to_string().into());
    record.insert("action".to_owned(), action.into());
    if let Some(sid) = sid {
        record.insert("sid".to_owned(), sid.as_str().into());
    }
    record
}

fn by(record: &mut Record, origin: &Origin) {
    for (name, value) in [
        ("actor", &origin.actor),
        ("role", &origin.role),
        ("peer", &origin.peer),
        ("request_id", &origin.request_id),
    ] {
        record.insert(name.to_owned(), value.as_str().into());
    }
}

/// What a token says, but for its secrets.
fn described(token: &Token, catalog: &Catalog) -> Value {
    let texts = &token.texts;
    let version = token
        .version
        .and_then(|version| catalog.version(Some(version)));
    let scopes = token.scopes.iter().filter_map(|scope| catalog.scope(scope));
    let mut scopes: Vec<&str> = scopes.map(|scope| &*scope.id).collect();
    scopes.sort_unstable();
    json!({
        "name": &*texts.name,
        "description": &*texts.description,
        "api_version": version.map(|version| &*version.id),
        "primary_contact": &*texts.primary_contact,
        "developer_emails": texts.developer_emails.iter().map(|email| &**email).collect::<Vec<_>>(),
        "scopes": scopes,
        "state": token.state.as_str(),
        "account": token.account.as_deref().map(Sid::as_str),
    })
}
