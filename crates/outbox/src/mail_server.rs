//! A mail server that mail is handed to by SMTP.
//! Refuses to hand over more than fits a round: what is left goes with the next.

use crate::mail_folder::{Open, composed};
use crate::{Mail, OpenedMail, Outgoing, Sink};
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use lettre::address::Envelope;
use lettre::transport::smtp::PoolConfig;
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Connections to the server at once.
const CONNECTIONS_MAX: u32 = 4;
/// The server may take this long for one step.
const STEP_MAX: Duration = Duration::from_secs(8);
/// Messages are begun this long after a round began: with one more message's time a round stays below what sinks are given.
const BEGIN_MAX: Duration = Duration::from_secs(15);

/// Hands messages to a mail server. A repeat carries the same `Message-ID`.
pub struct MailServer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    place: String,
    from: String,
    sender: Address,
    open: Open,
}

impl MailServer {
    /// The server at `smtps://USER:PASSWORD@HOST`, `smtp://USER:PASSWORD@HOST:587?tls=required` (STARTTLS) or `smtp://HOST:PORT` without
    /// encryption; `from` as `Guildhall <noreply@example.com>`. `open` makes a message of a payload, as for [`MailFolder`](crate::MailFolder).
    ///
    /// # Errors
    /// The URL is none of a mail server, or the sender has no address.
    pub fn new(url: &str, from: &str, open: impl Fn(Value) -> OpenedMail + Send + Sync + 'static) -> Result<MailServer, String> {
        let sender =
            address(from).ok_or_else(|| format!("the sender {from:?} has no address: Guildhall <noreply@example.com> would be right"))?;
        // The URL may hold a password, so that what is wrong with it is told without it.
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map_err(|_| "the URL of the mail server is none: as smtps://USER:PASSWORD@HOST would be right".to_owned())?;
        let place = url.rsplit_once('@').map_or(url, |(_, place)| place);
        let transport = builder
            .hello_name(ClientId::Domain(sender.domain().to_owned()))
            .timeout(Some(STEP_MAX))
            .pool_config(PoolConfig::new().max_size(CONNECTIONS_MAX))
            .build();
        let place = place.trim_start_matches("smtps://").trim_start_matches("smtp://").to_owned();
        Ok(MailServer { transport, place, from: from.to_owned(), sender, open: Box::new(open) })
    }

    /// Sends what one account gets, in order; behind one that failed the others are left for later.
    async fn send_all(&self, rows: Vec<(usize, &Outgoing)>, began: Instant) -> Vec<(usize, Result<(), String>)> {
        let mut answers = Vec::with_capacity(rows.len());
        let mut failed = false;
        for (place, outgoing) in rows {
            let answer = match failed {
                true => Err("an earlier message to the same account was not sent".to_owned()),
                false if began.elapsed() > BEGIN_MAX => Err("left for the next round".to_owned()),
                false => self.send_one(outgoing).await,
            };
            failed |= answer.is_err();
            answers.push((place, answer));
        }
        answers
    }

    async fn send_one(&self, outgoing: &Outgoing) -> Result<(), String> {
        let Some((mail, message)) = composed(&self.open, &self.from, outgoing).await? else { return Ok(()) };
        let Mail { to, .. } = mail;
        let recipient = address(&to).ok_or("the recipient's address is none")?;
        let envelope = Envelope::new(Some(self.sender.clone()), vec![recipient]).map_err(|e| e.to_string())?;
        let sent = tokio::time::timeout(STEP_MAX + STEP_MAX / 2, self.transport.send_raw(&envelope, &message)).await;
        match sent {
            Ok(Ok(_)) => Ok(()),
            // What the server says may repeat the address, which must not get into the log.
            Ok(Err(error)) => Err(match error.status() {
                Some(code) => format!("{} answered {code}", self.place),
                None if error.is_tls() => format!("{}: no TLS connection", self.place),
                None => format!("{}: no connection, or it broke", self.place),
            }),
            Err(_) => Err(format!("{} took too long", self.place)),
        }
    }
}

impl Sink for MailServer {
    /// The name that mail was first subscribed under: whichever way it goes now, it is the same subscription.
    fn name(&self) -> &str {
        "mail-folder"
    }

    fn target(&self) -> String {
        self.place.clone()
    }

    fn send<'a>(&'a self, batch: &'a [&'a Outgoing]) -> BoxFuture<'a, Vec<Result<(), String>>> {
        async move {
            let began = Instant::now();
            let mut accounts: BTreeMap<&str, Vec<(usize, &Outgoing)>> = BTreeMap::new();
            for (place, outgoing) in batch.iter().enumerate() {
                accounts.entry(&outgoing.aggregate).or_default().push((place, outgoing));
            }
            let mut sending = Vec::with_capacity(accounts.len());
            for rows in accounts.into_values() {
                sending.push(self.send_all(rows, began));
            }
            let sent: Vec<_> = futures::stream::iter(sending).buffer_unordered(CONNECTIONS_MAX as usize).collect().await;
            let mut answers: Vec<(usize, Result<(), String>)> = sent.into_iter().flatten().collect();
            answers.sort_by_key(|(place, _)| *place);
            answers.into_iter().map(|(_, answer)| answer).collect()
        }
        .boxed()
    }
}

/// The address of `Name <address>`, or of the text itself.
fn address(text: &str) -> Option<Address> {
    if text.contains(char::is_control) {
        return None;
    }
    let bare = text.rsplit_once('<').map_or(text, |(_, rest)| rest.trim_end().trim_end_matches('>'));
    bare.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_within_a_name() {
        assert_eq!(address("Guildhall <noreply@example.com>").unwrap().to_string(), "noreply@example.com");
        assert_eq!(address("jane@example.com").unwrap().to_string(), "jane@example.com");
        assert!(address("jane@example.com\r\nRCPT TO:<eve@example.com>").is_none());
        assert!(address("Jane").is_none());
    }

    #[tokio::test]
    async fn a_mistake_in_the_url_is_told_without_its_password() {
        let open = |_| async { Ok(None) }.boxed() as OpenedMail;
        for url in ["http://me:hunter2@mail.example", "smtp://", "hunter2"] {
            assert!(!MailServer::new(url, "g@localhost", open).err().unwrap().contains("hunter2"), "{url}");
        }
        let server = MailServer::new("smtps://me:hunter2@mail.example:465", "g@localhost", open).unwrap();
        assert_eq!(server.target(), "mail.example:465");
    }
}
