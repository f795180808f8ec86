//! What a person gets when they ask for their data: the account's own part, and the parts of other services.
//! Refuses to know those services: they hand over sources when the application is put together.

use crate::Accounts;
use crate::audit::{Noted, account_subject};
use crate::model::{Profile, SessionView};
use crate::queries::AuditOf;
use db::Error;
use kernel::UserId;
use kernel::page::PAGE_SIZE_MAX;
use serde::Serialize;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

/// A part of an export, on its way.
pub type Part = Pin<Box<dyn Future<Output = Result<serde_json::Value, Error>> + Send>>;

/// What is ended before an account is erased, on its way.
pub type Forgotten = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// What another service keeps about an account.
pub trait DataSource: Send + Sync {
    /// The part's name in the export, as `wallet`.
    fn name(&self) -> &'static str;
    /// What is kept about an account.
    fn export(&self, user: UserId) -> Part;
    /// Ends what leads from elsewhere to the account, before it is erased; nothing unless a service has such a thing.
    fn forget(&self, _user: UserId) -> Forgotten {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Everything kept about an account.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Export {
    /// The profile.
    pub profile: Profile,
    /// All sessions that are still kept.
    pub sessions: Vec<SessionView>,
    /// What the audit log says was done to the account.
    pub audit: Vec<Noted>,
    /// The parts of other services, by name.
    #[schema(value_type = Object)]
    pub parts: BTreeMap<&'static str, serde_json::Value>,
}

impl Accounts {
    /// Adds a part to every export from now on.
    pub fn add_source(&self, source: std::sync::Arc<dyn DataSource>) {
        self.inner.sources.write().push(source);
    }

    /// Everything kept about an account.
    ///
    /// # Errors
    /// The account is gone, or a source fails: an export is whole or it is none.
    pub async fn export(&self, user: UserId) -> Result<Export, Error> {
        let profile = self.profile(user).await?;
        let (mut sessions, mut cursor) = (Vec::new(), None);
        loop {
            let page = self.sessions(user, cursor.as_ref(), Some(PAGE_SIZE_MAX)).await?;
            sessions.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let (subject, mut audit) = (account_subject(user), Vec::new());
        loop {
            let page = self.audit_log(AuditOf::Subject(&subject), cursor.as_ref(), Some(PAGE_SIZE_MAX)).await?;
            audit.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let sources = self.inner.sources.read().clone();
        let mut parts = BTreeMap::new();
        for source in sources {
            parts.insert(source.name(), source.export(user).await?);
        }
        Ok(Export { profile, sessions, audit, parts })
    }
}
