//! What the end of a token does: to requests that come, at once; to those that run, as
//! the setting says.

mod at_once;
mod history;
mod running;

use serde_json::{Value, json};

use crate::support::fixture::{OPERATOR, basic};
use crate::support::http1::Ask;
use crate::support::{Client, Gate, Reply};

/// What a client holds of a token that the gate made.
#[derive(Clone, Debug)]
struct Issued {
    sid: String,
    /// The value of `Authorization`.
    basic: String,
}

impl Issued {
    /// From the answer to a create or a reset.
    #[track_caller]
    fn from(reply: &Reply) -> Self {
        let token = reply.json();
        let text = |key: &str| token.get(key).and_then(Value::as_str).unwrap().to_owned();
        let sid = text("sid");
        let basic = basic(&format!("{sid}:{}", text("auth_token")));
        Self { sid, basic }
    }
}

/// One kept-alive connection to the admin API, as the operator.
struct Operator<'a> {
    gate: &'a Gate,
    client: Client,
}

impl<'a> Operator<'a> {
    fn of(gate: &'a Gate) -> Self {
        Self {
            gate,
            client: Client::tcp(gate.admin_address()),
        }
    }

    /// Makes a token with these scopes.
    #[track_caller]
    fn create(&mut self, scopes: &[&str]) -> Issued {
        let body = json!({ "name": "a test's", "scopes": scopes }).to_string();
        let ask = self.ask("POST", "/v1/tokens");
        let ask = ask.header("Content-Type", "application/json").body(body);
        let reply = self.exchange(&ask, "POST");
        assert_eq!(reply.status, 201, "{reply:?}");
        Issued::from(&reply)
    }

    /// Disables, enables or resets.
    #[track_caller]
    fn change(&mut self, sid: &str, verb: &str) -> Reply {
        let ask = self.ask("POST", &format!("/v1/tokens/{sid}/{verb}"));
        let reply = self.exchange(&ask.body(""), "POST");
        assert_eq!(reply.status, 200, "{verb}: {reply:?}");
        reply
    }

    #[track_caller]
    fn delete(&mut self, sid: &str) {
        let ask = self.ask("DELETE", &format!("/v1/tokens/{sid}"));
        let reply = self.exchange(&ask, "DELETE");
        assert_eq!(reply.status, 204, "{reply:?}");
    }

    fn ask(&self, method: &str, target: &str) -> Ask {
        Ask::new(self.gate.admin_address(), method, target).by(&OPERATOR)
    }

    #[track_caller]
    fn exchange(&mut self, ask: &Ask, method: &str) -> Reply {
        self.client.send(ask.bytes());
        self.client.reply(method)
    }
}
