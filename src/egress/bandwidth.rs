//! Bytes per second, for all connections of a connector together.

use std::cell::Cell;
use std::time::Duration;
use tokio::time::Instant;

/// One direction. What is spent beyond the rate is waited for afterwards, so that many connections
/// share it without a queue.
pub(super) struct Bandwidth {
    /// Bytes per second; `None`: as many as there are.
    rate: Option<u64>,
    /// When all that was spent so far will have been earned.
    paid: Cell<Option<Instant>>,
}

/// So many seconds of the rate may go at once after a silence.
const BURST: Duration = Duration::from_millis(250);

impl Bandwidth {
    pub(super) fn new(rate: Option<u64>) -> Self {
        Self { rate: rate.map(|rate| rate.max(1)), paid: Cell::new(None) }
    }

    /// As many bytes should be read at once, so that no single read waits for long.
    pub(super) fn chunk(&self, most: usize) -> usize {
        let tenth = self.rate.map(|rate| usize::try_from(rate / 10).unwrap_or(usize::MAX));
        tenth.map_or(most, |tenth| tenth.clamp(512, most))
    }

    /// Comes back when these bytes may be passed on.
    pub(super) async fn spend(&self, bytes: usize) {
        if let Some(wait) = self.charge(bytes, Instant::now()) {
            tokio::time::sleep(wait).await;
        }
    }

    fn charge(&self, bytes: usize, now: Instant) -> Option<Duration> {
        let rate = self.rate?;
        let nanos = u128::from(bytes as u64) * 1_000_000_000 / u128::from(rate);
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let paid = self.paid.get().map_or(earliest, |paid| paid.max(earliest)) + cost;
        self.paid.set(Some(paid));
        paid.checked_duration_since(now).filter(|wait| !wait.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_rate_never_waits() {
        let free = Bandwidth::new(None);
        assert_eq!(free.charge(usize::MAX, Instant::now()), None);
        assert_eq!(free.chunk(1 << 18), 1 << 18);
    }

    #[tokio::test]
    async fn a_burst_is_free_and_the_rest_waits_its_time() {
        let capped = Bandwidth::new(Some(1000));
        let now = Instant::now();
        assert_eq!(capped.charge(250, now), None);
        assert_eq!(capped.charge(500, now), Some(Duration::from_millis(500)));
        assert_eq!(capped.charge(500, now), Some(Duration::from_secs(1)), "shared debt adds up");
        let later = now + Duration::from_secs(60);
        assert_eq!(capped.charge(250, later), None);
        assert!(capped.charge(1, later).is_some(), "a long silence earns one burst, not a minute");
        assert_eq!(capped.chunk(1 << 18), 512);
    }
}
