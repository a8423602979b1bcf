//! The main part: the alerts, as often as the config says. Each is told with the labels that it has when Alertmanager is
//! notified of it, so that both tell the same alert by the same fingerprint.

use super::outgoing::{Outgoing, Told};
use super::parse;
use super::queries::Queries;
use crate::connect::Prometheus;
use crate::connect::prometheus::Answer;
use crate::domain::alert::fingerprint;
use crate::domain::{Alert, AlertReport, Snapshot, SourceError};
use crate::sources::Source;
use crate::sources::alerting::{Kept, Watchdog, without_replica};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long what the configuration said is believed.
const BELIEVED: Duration = Duration::from_mins(5);

pub(super) struct Alerts {
    pub(super) prometheus: Arc<Prometheus>,
    pub(super) queries: Arc<Queries>,
    pub(super) watchdog: Option<Watchdog>,
    pub(super) replica_labels: Vec<String>,
    /// The configuration may take no more of a poll than this.
    pub(super) patience: Duration,
    pub(super) outgoing: Outgoing,
    pub(super) read_at: Option<Instant>,
    pub(super) kept: Kept,
}

#[async_trait]
impl Source for Alerts {
    async fn poll(&mut self) -> Result<Snapshot, SourceError> {
        let prometheus = Arc::clone(&self.prometheus);
        let (answer, outgoing) = tokio::join!(prometheus.ask::<parse::Alerts>("alerts", &[]), self.configuration());
        if let Some(outgoing) = outgoing {
            self.outgoing = outgoing;
            self.read_at = Some(Instant::now());
        }
        let Answer { data, warnings } = answer?;
        let told = data.into_alerts().map(|alert| self.finish(alert)).collect();
        let alerts = self.kept.keep(told);
        let troubles = self.watchdog.iter().filter_map(|watchdog| watchdog.trouble(&alerts)).collect();
        let external_labels = self.outgoing.external();
        Ok(Snapshot::Alerts(AlertReport { alerts, external_labels, troubles, warnings, ..AlertReport::default() }))
    }
}

impl Alerts {
    /// What the server does to labels, when that was not read lately. What answers like Prometheus often has no such thing,
    /// and then its alerts have all their labels already.
    async fn configuration(&self) -> Option<Outgoing> {
        if self.read_at.is_some_and(|at| at.elapsed() < BELIEVED) {
            return None;
        }
        let asked = self.prometheus.ask_if_known::<Told>("status/config", &[]);
        match timeout(self.patience, asked).await {
            Ok(Ok(Some(answer))) => Outgoing::of(&answer.data),
            Ok(Ok(None)) => Some(Outgoing::default()),
            // Asked again with the next poll; until then what was known holds.
            Ok(Err(_)) | Err(_) => None,
        }
    }

    fn finish(&self, mut alert: Alert) -> Alert {
        alert.query = self.queries.of(&alert);
        self.outgoing.apply(&mut alert.labels);
        without_replica(&mut alert.labels, &self.replica_labels);
        Alert { fingerprint: fingerprint(&alert.labels), ..alert }
    }
}
