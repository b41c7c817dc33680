//! Ends what runs under a token that was disabled, deleted or reset, where
//! `revocation.running = "end"` asks for it. Without that, nothing here is made.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll};

use super::waiter::Waiter;
use crate::auth::Denial;
use crate::net::{Peer, StreamPace};
use crate::snapshot::{Revision, Snapshot};
use crate::token::{State, Token};

/// One request's ear for the end of its token.
#[derive(Debug)]
pub(super) struct Revocable {
    token: Arc<Token>,
    denial: RefCell<Option<Denial>>,
    /// The one task that waits: the request's, its answer's, its tunnel's or that of the rest
    /// of its body, in turn.
    waiter: Waiter,
    /// What the answer is sent on, once it is.
    answer: RefCell<Option<Answering>>,
}

/// Where an answer is being sent: an HTTP/2 stream, or else a connection of its own.
#[derive(Debug)]
struct Answering {
    peer: Rc<Peer>,
    stream: Option<Rc<StreamPace>>,
}

impl Answering {
    /// Ends it. Its body is not asked for more while its client takes nothing, so that
    /// the body alone could not.
    fn cut(&self) {
        match &self.stream {
            Some(stream) => stream.cut(),
            None => self.peer.pace.cut(),
        }
    }
}

/// The requests of one worker that are to end with their tokens.
#[derive(Debug, Default)]
pub(super) struct Running {
    requests: RefCell<Vec<Weak<Revocable>>>,
    /// Up to which revision they have been looked at.
    looked: RefCell<Revision>,
}

impl Revocable {
    /// Why the token admits no more, once it does not. Wakes the task when that comes.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<Denial> {
        if let Some(denial) = &*self.denial.borrow() {
            return Poll::Ready(denial.clone());
        }
        self.waiter.wait(cx);
        Poll::Pending
    }

    /// Waits for the token's end; for ever where nothing is to end with it.
    pub(super) async fn ended(this: Option<Rc<Self>>) -> Denial {
        match this {
            Some(this) => poll_fn(|cx| this.poll(cx)).await,
            None => std::future::pending().await,
        }
    }

    /// The answer's head is out: from now on the request ends by being cut off.
    pub(super) fn answers(&self, peer: &Rc<Peer>, stream: Option<&Rc<StreamPace>>) {
        let answer = Answering {
            peer: Rc::clone(peer),
            stream: stream.map(Rc::clone),
        };
        if self.denial.borrow().is_some() {
            answer.cut();
        }
        *self.answer.borrow_mut() = Some(answer);
    }

    /// Why the answer was cut off, where it was.
    pub(super) fn cut_off(&self) -> Option<Denial> {
        self.answer.borrow().as_ref()?;
        self.denial.borrow().clone()
    }

    fn judge(&self, snapshot: &Snapshot) {
        let token = &self.token;
        let denial = match snapshot.tokens.find(token.sid.as_bytes()) {
            Some(now) if now.digest != token.digest => Denial::BadCredentials,
            Some(now) if now.state != State::Enabled => Denial::TokenDisabled(token.sid),
            Some(_) => return,
            None => Denial::BadCredentials,
        };
        *self.denial.borrow_mut() = Some(denial);
        if let Some(answer) = &*self.answer.borrow() {
            answer.cut();
        }
        self.waiter.wake();
    }
}

impl Running {
    /// A request that began under this token.
    pub(super) fn begin(&self, token: &Arc<Token>) -> Rc<Revocable> {
        let request = Rc::new(Revocable {
            token: Arc::clone(token),
            denial: RefCell::default(),
            waiter: Waiter::default(),
            answer: RefCell::default(),
        });
        self.requests.borrow_mut().push(Rc::downgrade(&request));
        // It may have been judged by an older snapshot than was last looked at.
        *self.looked.borrow_mut() = Revision::default();
        request
    }

    /// Ends what the snapshot in force admits no more.
    pub(super) fn look(&self, snapshot: &Snapshot) {
        if *self.looked.borrow() == snapshot.revision {
            return;
        }
        *self.looked.borrow_mut() = snapshot.revision;
        self.requests.borrow_mut().retain(|request| {
            let request = request.upgrade();
            if let Some(request) = &request {
                request.judge(snapshot);
            }
            request.is_some()
        });
    }
}
