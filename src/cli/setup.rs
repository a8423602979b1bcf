//! From a config to sources that can be asked.

use super::Global;
use crate::config::{self, Config};
use crate::connect::Connections;
use crate::domain::{Snapshot, SourceError, SourceId};
use crate::sources::{Pace, Source};
use crate::store::Feed;
use async_trait::async_trait;
use color_eyre::eyre::eyre;

/// The config that the command line and the environment choose.
///
/// # Errors
/// Every problem of it, a line each.
pub fn config(global: &Global) -> color_eyre::Result<Config> {
    let choice = config::choose(global.config.clone(), |name| std::env::var_os(name));
    config::load(&choice, global.env.as_deref()).map_err(|problems| {
        eyre!("the config can't be used\n{problems}\n`quarterdeck check` asks the sources too, once it can be read")
    })
}

/// Sources with their pace, and the ways out that they share with the steps.
pub struct Opened {
    /// In the config's order.
    pub sources: Vec<(SourceId, Pace, Box<dyn Source>)>,
    /// For steps.
    pub connections: Connections,
    /// One for each source.
    pub feeds: Vec<Feed>,
}

/// Makes every source. One whose settings turn out to be wrong becomes a source that always fails with the reason: the
/// others are worth looking at.
pub fn open(config: &Config) -> Opened {
    let mut opened = Opened { sources: Vec::new(), connections: Connections::default(), feeds: Vec::new() };
    for source in &config.sources {
        let pace = source.settings.pace();
        let made = source.settings.open(&source.id, &mut opened.connections);
        let made = made.unwrap_or_else(|error| Box::new(Misconfigured(error)));
        opened.sources.push((source.id.clone(), pace, made));
        opened.feeds.push(Feed::new(source.id.clone(), source.kind.subject, pace.interval));
    }
    opened
}

struct Misconfigured(SourceError);

#[async_trait]
impl Source for Misconfigured {
    async fn poll(&mut self) -> Result<Snapshot, SourceError> {
        Err(self.0.clone())
    }
}
