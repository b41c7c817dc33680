//! Takes the counters away whose windows have ended: on the caller's thread, where no
//! request waits for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::proxy::Gate;

/// Between two steps.
const STEP: Duration = Duration::from_secs(1);

/// In so many steps every counter is looked at: a million of them take half a minute, in
/// pieces of less than a millisecond.
const STEPS: usize = 32;

/// Goes on until it is dropped.
pub(super) async fn run(gate: Arc<Gate>) {
    loop {
        tokio::time::sleep(STEP).await;
        gate.rates().sweep(STEPS, Instant::now());
        let requests = gate.rates().take_turned_away();
        if requests > 0 {
            tracing::warn!(
                requests,
                "turned away: limits.rate_limit_counters are all in use"
            );
        }
    }
}
