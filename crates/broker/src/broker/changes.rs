//! Changes of the small file of topics: creating, deleting, and taking producer ids.
//! Refuses to be interrupted: a caller that goes away leaves no half of a change behind.

use super::{Broker, Inner, blocking};
use crate::topics::{PRODUCER_BLOCK, topic_folder};
use crate::{Error, Topic, TopicConfig};
use std::sync::Arc;

impl Broker {
    /// Creates a topic with the log's own settings.
    ///
    /// # Errors
    ///
    /// [`Error::TopicExists`], [`Error::BadName`], [`Error::BadSetting`] for no partitions, [`Error::Limit`], [`Error::Io`].
    pub async fn create_topic(&self, name: &str, partitions: u32) -> Result<Topic, Error> {
        self.create_topic_with(name, partitions, TopicConfig::default()).await
    }

    /// Creates a topic with settings of its own. Errors as [`Broker::create_topic`].
    pub async fn create_topic_with(&self, name: &str, partitions: u32, config: TopicConfig) -> Result<Topic, Error> {
        let (inner, name) = (self.inner.clone(), name.to_owned());
        undisturbed(async move {
            let mut catalogue = inner.catalogue.lock().await;
            let topic = catalogue.plan(&name, partitions, config, &inner.options.limits)?;
            let mut next = catalogue.clone();
            next.topics.insert(name, topic.clone());
            let (worker, made) = (inner.clone(), topic.clone());
            *catalogue = blocking(move || {
                // The folders first: a crash between leaves folders that nobody names, which the next start removes.
                let log = Arc::new(worker.open_topic(&made)?);
                next.save(&worker.folder.path)?;
                worker.show(log);
                Ok(next)
            })
            .await?;
            Ok(topic)
        })
        .await
    }

    /// Whether a topic could be created so; creates nothing. Errors as [`Broker::create_topic`].
    pub(crate) async fn try_topic(&self, name: &str, partitions: u32, config: TopicConfig) -> Result<Topic, Error> {
        self.inner.catalogue.lock().await.plan(name, partitions, config, &self.inner.options.limits)
    }

    /// Deletes a topic, its records and what groups had committed in it.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownTopic`], [`Error::Io`].
    pub async fn delete_topic(&self, name: &str) -> Result<(), Error> {
        let (inner, name) = (self.inner.clone(), name.to_owned());
        undisturbed(async move {
            let mut catalogue = inner.catalogue.lock().await;
            let mut next = catalogue.clone();
            let topic = next.topics.remove(&name).ok_or(Error::UnknownTopic(name))?;
            let (worker, id) = (inner.clone(), topic.id);
            *catalogue = blocking(move || {
                next.save(&worker.folder.path)?;
                worker.hide(&topic);
                let folder = topic_folder(&worker.folder.path, &topic);
                // What cannot be removed now is removed at the next start: nobody names it any more.
                if let Err(error) = std::fs::remove_dir_all(&folder) {
                    tracing::warn!(%error, folder = %folder.display(), "a deleted topic's folder stays until the next start");
                }
                Ok(next)
            })
            .await?;
            drop(catalogue);
            inner.offsets.forget(&inner.writers, |_, topic, _| topic == id).await
        })
        .await
    }
}

impl Inner {
    /// A producer id that nobody had before, not even before a crash.
    pub(crate) async fn new_producer(self: &Arc<Inner>) -> Result<i64, Error> {
        let inner = self.clone();
        undisturbed(async move {
            let mut catalogue = inner.catalogue.lock().await;
            if let Some(id) = inner.producers.lock().next() {
                return Ok(id);
            }
            let mut next = catalogue.clone();
            let first = next.next_producer;
            next.next_producer += PRODUCER_BLOCK;
            let worker = inner.clone();
            *catalogue = blocking(move || next.save(&worker.folder.path).map(|()| next)).await?;
            *inner.producers.lock() = first + 1..first + PRODUCER_BLOCK;
            Ok(first)
        })
        .await
    }
}

/// Runs to its end whoever goes away meanwhile: the file on disk and what is known of it must not part.
async fn undisturbed<T: Send + 'static>(work: impl Future<Output = Result<T, Error>> + Send + 'static) -> Result<T, Error> {
    let failed = |error: tokio::task::JoinError| Error::Io { what: "changing the topics".to_owned(), reason: error.to_string() };
    tokio::spawn(work).await.map_err(failed)?
}
