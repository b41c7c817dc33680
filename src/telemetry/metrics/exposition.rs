//! What a scrape shows: the workers' cells summed, and what others told, under names that
//! stay.

use std::fmt::Error;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::worker::{
    BOUNDS, CLASSES, ConnectionKind, Count, Deadline, Fault, Gauge, Histogram, Outcomes, Refused,
    TokenLimit,
};
use super::{Observed, State, WorkerMetrics};
use crate::code::Code;

/// The names of the classes of status codes.
const STATUS: [&str; CLASSES] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The one collector of the registry.
#[derive(Debug)]
pub(super) struct Exposition(pub(super) Arc<State>);

impl Collector for Exposition {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let state = &self.0;
        let to = &mut encoder;
        requests(state, to)?;
        connections(state, to)?;
        upstream(state, to)?;
        process(state, to)?;
        if let Some(observe) = state.observe.get() {
            observed(&observe(), to)?;
        }
        Ok(())
    }
}

fn requests(state: &State, to: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
    let help = "Requests that ended, by what was decided and by the class of the status";
    let mut metric = to.encode_descriptor("requests", help, None, MetricType::Counter)?;
    for code in Code::ALL {
        for (class, name) in STATUS.into_iter().enumerate() {
            let value = state.sum(|worker| &worker.requests[*code as usize][class]);
            // A decision's own class is there from the start; others as they happen.
            if value > 0 || usize::from(code.status().as_u16() / 100) == class + 1 {
                let labels = [("code", code.as_str()), ("status", name)];
                count(&mut metric, &labels, value)?;
            }
        }
    }
    let help = "Requests that met a limit of their token or account";
    let mut metric = to.encode_descriptor("rate_limited", help, None, MetricType::Counter)?;
    for limit in TokenLimit::ALL {
        let value = state.sum(|worker| &worker.rate_limited[limit as usize]);
        count(&mut metric, &[("limit", limit.as_str())], value)?;
    }
    let help = "Credentials that were not looked at, as too many of their client had been wrong";
    let metric = to.encode_descriptor("guesses_refused", help, None, MetricType::Counter)?;
    total(metric, state.sum(|worker| &worker.guesses_refused))?;
    let help = "Requests that have not ended";
    let metric = to.encode_descriptor("requests_in_flight", help, None, MetricType::Gauge)?;
    gauge(metric, state.open(|worker| &worker.in_flight))?;
    let bytes = Some(&Unit::Bytes);
    let help = "Bytes of request bodies";
    let metric = to.encode_descriptor("request_body", help, bytes, MetricType::Counter)?;
    total(metric, state.sum(|worker| &worker.bytes_in))?;
    let help = "Bytes of the bodies of answers";
    let metric = to.encode_descriptor("response_body", help, bytes, MetricType::Counter)?;
    total(metric, state.sum(|worker| &worker.bytes_out))?;
    let seconds = Some(&Unit::Seconds);
    let help = "From a request's head to its answer's last byte";
    let metric = to.encode_descriptor("request_duration", help, seconds, MetricType::Histogram)?;
    histogram(metric, state, |worker| &worker.total)?;
    let help = "From a request being forwarded to the first byte of the server's answer";
    let name = "upstream_first_byte_duration";
    let metric = to.encode_descriptor(name, help, seconds, MetricType::Histogram)?;
    histogram(metric, state, |worker| &worker.upstream)
}

fn connections(state: &State, to: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
    let labels = |kind: ConnectionKind| {
        let tls = if kind.tls { "true" } else { "false" };
        [("protocol", kind.protocol.as_str()), ("tls", tls)]
    };
    let help = "Client connections that were served";
    let mut metric = to.encode_descriptor("connections", help, None, MetricType::Counter)?;
    for (at, kind) in ConnectionKind::ALL.into_iter().enumerate() {
        let value = state.sum(|worker| &worker.connections[at].opened);
        count(&mut metric, &labels(kind), value)?;
    }
    let help = "Client connections that are open";
    let mut metric = to.encode_descriptor("connections_open", help, None, MetricType::Gauge)?;
    for (at, kind) in ConnectionKind::ALL.into_iter().enumerate() {
        let value = state.open(|worker| &worker.connections[at]);
        gauge(metric.encode_family(&labels(kind))?, value)?;
    }
    let help = "Client connections that were closed unserved, by the limit they met";
    let name = "connections_refused";
    let mut metric = to.encode_descriptor(name, help, None, MetricType::Counter)?;
    for reason in Refused::ALL {
        let value = state.sum(|worker| &worker.refused[reason as usize]);
        count(&mut metric, &[("reason", reason.as_str())], value)?;
    }
    let help = "Client connections that were ended for what they sent, without an answer";
    let name = "connections_faulty";
    let mut metric = to.encode_descriptor(name, help, None, MetricType::Counter)?;
    for fault in Fault::ALL {
        let value = state.sum(|worker| &worker.faults[fault as usize]);
        count(&mut metric, &[("fault", fault.as_str())], value)?;
    }
    let help = "TLS handshakes of clients";
    let metric = to.encode_descriptor("tls_handshakes", help, None, MetricType::Counter)?;
    outcomes(metric, state, |worker| &worker.handshakes)?;
    let help = "Handshakes that failed for the client's certificate, or for want of one";
    let name = "tls_client_certificates_refused";
    let metric = to.encode_descriptor(name, help, None, MetricType::Counter)?;
    total(metric, state.sum(|worker| &worker.certificates_refused))?;
    let help = "Deadlines that passed";
    let mut metric = to.encode_descriptor("deadlines", help, None, MetricType::Counter)?;
    for deadline in Deadline::ALL {
        let (hop, name) = deadline.as_strs();
        let value = state.sum(|worker| &worker.deadlines[deadline as usize]);
        count(&mut metric, &[("hop", hop), ("deadline", name)], value)?;
    }
    let help = "Connections that became tunnels";
    let metric = to.encode_descriptor("tunnels", help, None, MetricType::Counter)?;
    total(metric, state.sum(|worker| &worker.tunnels.opened))?;
    let help = "Tunnels that are open";
    let metric = to.encode_descriptor("tunnels_open", help, None, MetricType::Gauge)?;
    gauge(metric, state.open(|worker| &worker.tunnels))
}

fn upstream(state: &State, to: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
    let help = "Connections to servers";
    let metric = to.encode_descriptor("upstream_connects", help, None, MetricType::Counter)?;
    outcomes(metric, state, |worker| &worker.connects)?;
    let help = "Requests that were sent again";
    let metric = to.encode_descriptor("upstream_retries", help, None, MetricType::Counter)?;
    total(metric, state.sum(|worker| &worker.retries))
}

fn process(state: &State, to: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
    let help = "What runs here";
    let mut metric = to.encode_descriptor("build", help, None, MetricType::Info)?;
    metric.encode_info(&[("version", env!("CARGO_PKG_VERSION"))])?;
    let help = "When this process started, since 1970";
    let seconds = Some(&Unit::Seconds);
    let mut metric = to.encode_descriptor("start_time", help, seconds, MetricType::Gauge)?;
    metric.encode_gauge(&state.started)?;
    let help = "Worker threads";
    let metric = to.encode_descriptor("workers", help, None, MetricType::Gauge)?;
    gauge(metric, state.workers.len() as u64)
}

fn observed(observed: &Observed, to: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
    let help = "The revision of the snapshot in force";
    let metric = to.encode_descriptor("snapshot_revision", help, None, MetricType::Gauge)?;
    gauge(metric, observed.revision)?;
    let help = "Tokens in force";
    let metric = to.encode_descriptor("tokens", help, None, MetricType::Gauge)?;
    gauge(metric, observed.tokens)?;
    let help = "Reloads of files, taken over or refused";
    let mut metric = to.encode_descriptor("reloads", help, None, MetricType::Counter)?;
    count(&mut metric, &[("outcome", "ok")], observed.reloads)?;
    count(
        &mut metric,
        &[("outcome", "failed")],
        observed.failed_reloads,
    )?;
    let help = "Access records that were not written";
    let name = "access_records_dropped";
    let metric = to.encode_descriptor(name, help, None, MetricType::Counter)?;
    total(metric, observed.dropped_records)?;
    let help = "Admin calls refused for want of an operator's credentials";
    let name = "admin_strangers_refused";
    let metric = to.encode_descriptor(name, help, None, MetricType::Counter)?;
    total(metric, observed.strangers)?;
    let help = "Tokens and accounts that are counted, each in each category or group";
    let name = "rate_limit_counters";
    let metric = to.encode_descriptor(name, help, None, MetricType::Gauge)?;
    gauge(metric, observed.rate_limit_counters)?;
    let help = "Whether requests are sent to a server";
    let name = "upstream_server_healthy";
    let mut metric = to.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for server in &observed.servers {
        let labels = [("upstream", &*server.upstream), ("server", &*server.server)];
        gauge(metric.encode_family(&labels)?, u64::from(server.healthy))?;
    }
    Ok(())
}

impl State {
    fn sum(&self, of: impl Fn(&WorkerMetrics) -> &Count) -> u64 {
        let values = self.workers.iter().map(|worker| of(worker).value());
        values.fold(0, u64::wrapping_add)
    }

    /// What was opened and not closed. Cells are read one after another while workers go
    /// on, so a closing may be seen without its opening: never less than none.
    fn open(&self, of: impl Fn(&WorkerMetrics) -> &Gauge) -> u64 {
        let closed = self.sum(|worker| &of(worker).closed);
        self.sum(|worker| &of(worker).opened).saturating_sub(closed)
    }
}

fn total(mut metric: MetricEncoder<'_>, value: u64) -> Result<(), Error> {
    metric.encode_counter::<NoLabelSet, _, u64>(&value, None)
}

fn count(
    metric: &mut MetricEncoder<'_>,
    labels: &impl EncodeLabelSet,
    value: u64,
) -> Result<(), Error> {
    total(metric.encode_family(labels)?, value)
}

fn gauge(mut metric: MetricEncoder<'_>, value: u64) -> Result<(), Error> {
    metric.encode_gauge(&value)
}

fn outcomes(
    mut metric: MetricEncoder<'_>,
    state: &State,
    of: impl Fn(&WorkerMetrics) -> &Outcomes,
) -> Result<(), Error> {
    let ok = state.sum(|worker| &of(worker).ok);
    count(&mut metric, &[("outcome", "ok")], ok)?;
    let failed = state.sum(|worker| &of(worker).failed);
    count(&mut metric, &[("outcome", "failed")], failed)
}

fn histogram(
    mut metric: MetricEncoder<'_>,
    state: &State,
    of: impl Fn(&WorkerMetrics) -> &Histogram,
) -> Result<(), Error> {
    let seconds = |micros: u64| micros as f64 / 1e6;
    let bounds = BOUNDS.into_iter().map(seconds).chain([f64::INFINITY]);
    let buckets: Vec<_> = bounds
        .enumerate()
        .map(|(at, bound)| (bound, state.sum(|worker| &of(worker).buckets[at])))
        .collect();
    // Summed from what is shown, so that count and last bucket are equal, as the format
    // wants them, whatever workers count meanwhile.
    let all = buckets.iter().map(|(_, count)| count).sum();
    let sum = seconds(state.sum(|worker| &of(worker).micros));
    metric.encode_histogram::<NoLabelSet>(sum, all, &buckets, None)
}
