//! The main part: the alerts, as often as the config says. Each is told with the labels that it has when Alertmanager is
//! notified of it, so that both tell the same alert by the same fingerprint.

use super::outgoing::{Outgoing, Told};
use super::parse;
use super::queries::Queries;
use crate::connect::Prometheus;
use crate::connect::prometheus::Answer;
use crate::domain::alert::fingerprint;
use crate::domain::{Alert, AlertReport, AlertState, Severity, Snapshot, SourceError};
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
    fn place(&self) -> String {
        format!("Prometheus at {}", self.prometheus.base())
    }

    async fn poll(&mut self) -> Result<Snapshot, SourceError> {
        let prometheus = Arc::clone(&self.prometheus);
        let (answer, outgoing) = tokio::join!(prometheus.ask::<parse::Alerts>("alerts", &[]), self.configuration());
        if let Some(outgoing) = outgoing {
            self.outgoing = outgoing;
            self.read_at = Some(Instant::now());
        }
        let Answer { data, warnings } = answer?;
        let told = data.into_alerts().flat_map(|alert| self.finish(alert)).collect();
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

    /// As the Alertmanagers know it: once, or once for each set of labels that it is sent with. One that relabelling sends to
    /// nobody is held back by that.
    fn finish(&self, mut alert: Alert) -> Vec<Alert> {
        alert.query = self.queries.of(&alert);
        let own = std::mem::take(&mut alert.labels);
        let mut sent = self.outgoing.apply(&own);
        if sent.is_empty() {
            if alert.state == AlertState::Firing {
                alert.state = AlertState::Suppressed;
                alert
                    .muted_by
                    .push(format!("relabelling of {}: it is sent to no Alertmanager", self.prometheus.name()));
            }
            sent.push(own.clone());
        }
        let series = self.outgoing.rewrites().then(|| Arc::new(own));
        let told = sent.into_iter().map(|mut labels| {
            without_replica(&mut labels, &self.replica_labels);
            // What others refer to is what it is called after relabelling.
            let name = labels.get("alertname").cloned().unwrap_or_else(|| alert.name.clone());
            let severity = Severity::from_label(labels.get("severity").map(String::as_str));
            let series = series.clone().filter(|own| **own != labels);
            Alert { fingerprint: fingerprint(&labels), name, severity, labels, series, ..alert.clone() }
        });
        told.collect()
    }
}
