//! The process's own log, on standard error: text where people watch, JSON otherwise.
//!
//! Lines are written by a thread of their own, so that a slow terminal or a full pipe
//! holds no worker up; where it cannot keep up, lines are dropped and counted.

mod queue;

use std::io::{self, IsTerminal};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{Format, Full, Json, Writer};
use tracing_subscriber::fmt::{self, FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, reload};

use queue::Queue;

use crate::config::{Log, LogFormat};

/// Why the log did not start or change.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `log.level` is none.
    #[error("`log.level` is not a level or a list of directives")]
    Level(#[source] tracing_subscriber::filter::ParseError),
    /// The thread that writes could not be started.
    #[error("the log's thread cannot be started")]
    Thread(#[source] io::Error),
    /// There is one already, or none yet.
    #[error("the log is started once, and then changed")]
    State,
}

/// Writes out what is still queued when it is dropped, within a second.
#[must_use = "dropping it is the log's end"]
#[derive(Debug)]
pub struct Guard(Queue);

/// What a reload may change: a process has one log, as it has one standard error.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();
static JSON: AtomicBool = AtomicBool::new(false);

/// Starts the log of this process.
///
/// # Errors
/// [`Error`]; also where one was started before.
pub fn start(settings: &Log) -> Result<Guard, Error> {
    let (filter, handle) = reload::Layer::new(filter(settings)?);
    let queue = Queue::start(io::stderr()).map_err(Error::Thread)?;
    let writer = queue.clone();
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let lines = fmt::layer()
        .with_ansi(io::stderr().is_terminal() && !no_color)
        .event_format(Lines {
            // Without the spans around an event: their fields are kept in the text form,
            // and a JSON line that finds them so panics in a debug build.
            as_json: fmt::format()
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .with_span_list(false),
            as_text: fmt::format(),
        })
        .with_writer(move || writer.clone());
    JSON.store(is_json(settings), Ordering::Relaxed);
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init()
        .map_err(|_| Error::State)?;
    FILTER.set(handle).map_err(|_| Error::State)?;
    Ok(Guard(queue))
}

/// Changes level and form, as a reload asks for.
///
/// # Errors
/// [`Error::Level`]; then nothing has changed. [`Error::State`] where none was started.
pub fn apply(settings: &Log) -> Result<(), Error> {
    let filter = filter(settings)?;
    let control = FILTER.get().ok_or(Error::State)?;
    control.reload(filter).map_err(|_| Error::State)?;
    JSON.store(is_json(settings), Ordering::Relaxed);
    Ok(())
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.flush();
    }
}

fn filter(settings: &Log) -> Result<EnvFilter, Error> {
    EnvFilter::builder()
        .parse(&settings.level)
        .map_err(Error::Level)
}

fn is_json(settings: &Log) -> bool {
    match settings.format {
        LogFormat::Auto => !io::stderr().is_terminal(),
        LogFormat::Text => false,
        LogFormat::Json => true,
    }
}

/// One line for each event, in the form that is in force.
struct Lines {
    as_json: Format<Json>,
    as_text: Format<Full>,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        if JSON.load(Ordering::Relaxed) {
            self.as_json.format_event(context, writer, event)
        } else {
            self.as_text.format_event(context, writer, event)
        }
    }
}
