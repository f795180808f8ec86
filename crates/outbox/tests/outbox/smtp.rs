//! Mail to a real mail server: Python's `aiosmtpd`, started by the test, which writes what it takes into a folder.
//! Left out, with a word, where no Python has it.

use crate::bed::{Bed, Say, fact};
use db::{Announcement, Meta};
use futures::FutureExt as _;
use outbox::{Mail, MailServer, OpenedMail, Outbox, Sink};
use serde_json::json;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

/// Names a Python that has the mail server.
const VARIABLE: &str = "GUILDHALL_TEST_SMTP";
const FROM: &str = "Guild <noreply@guild.example>";

struct Server {
    process: Child,
    folder: PathBuf,
}

impl Server {
    /// A server at an address, with more of its flags; none where Python has no `aiosmtpd`.
    async fn start(address: SocketAddr, folder: &Path, more: &[&str]) -> Option<Server> {
        let python = std::env::var(VARIABLE).unwrap_or_else(|_| "python3".to_owned());
        let known = Command::new(&python).args(["-c", "import aiosmtpd"]).stderr(Stdio::null()).status();
        if !known.is_ok_and(|status| status.success()) {
            eprintln!("left out: {python} has no aiosmtpd and {VARIABLE} names no other, so no mail was sent by SMTP");
            return None;
        }
        let folder = folder.join("maildir");
        let listen = address.to_string();
        let mut command = Command::new(&python);
        command.args(["-m", "aiosmtpd", "-n", "-l", &listen]).args(more).args(["-c", "aiosmtpd.handlers.Mailbox"]).arg(&folder);
        let process = command.stderr(Stdio::null()).spawn().unwrap();
        while tokio::net::TcpStream::connect(address).await.is_err() {
            tokio::task::yield_now().await;
        }
        Some(Server { process, folder })
    }

    fn messages(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.folder.join("new")).map(|files| files.map(|file| file.unwrap().path()).collect::<Vec<_>>());
        let mut messages: Vec<String> = files.unwrap_or_default().iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
        messages.sort();
        messages
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn server_sink(url: &str) -> Arc<dyn Sink> {
    let open = |payload: serde_json::Value| {
        let mail = Mail {
            to: payload["to"].as_str().unwrap().to_owned(),
            subject: "Bestätigung".to_owned(),
            text: payload["text"].as_str().unwrap().to_owned(),
        };
        async move { Ok(Some(mail)) }.boxed() as OpenedMail
    };
    Arc::new(MailServer::new(url, FROM, open).unwrap())
}

async fn write(bed: &Bed, mails: &[(&str, i64, &str)]) {
    let mail = |(account, version, text): &(&str, i64, &str)| Announcement {
        payload: json!({ "to": format!("{account}@example.com"), "text": text }),
        ..fact("mail.send", &format!("account/{account}"), *version)
    };
    bed.db.queue(Say::default()).send(Meta::ours("test"), mails.iter().map(mail).collect()).await.unwrap();
}

#[tokio::test]
async fn mail_reaches_a_mail_server_whole_and_waits_while_it_is_down() {
    let bed = Bed::sqlite().await;
    let address = free_address();
    let outbox = Outbox::start(&bed.db, vec![(vec!["mail.send".to_owned()], server_sink(&format!("smtp://{address}")))]).await.unwrap();
    write(&bed, &[("zoe", 1, "Zoë,\n.\n..dots\nhttps://guild.example/confirm"), ("zoe", 2, "second"), ("ada", 1, "third")]).await;
    assert_eq!(outbox.drain_once().await.unwrap(), 0, "nobody listens yet");
    assert_eq!(bed.rows().await, 3);

    let Some(server) = Server::start(address, bed.folder.path(), &[]).await else { return };
    bed.db.clock().advance_us(2_000_000);
    assert_eq!(outbox.drain_once().await.unwrap(), 3);
    let messages = server.messages();
    assert_eq!(messages.len(), 3, "{messages:?}");
    let zoes = messages.iter().find(|message| message.contains("dots")).unwrap().replace("\r\n", "\n");
    for part in [
        "From: Guild <noreply@guild.example>\n",
        "To: zoe@example.com\n",
        "Message-ID: <",
        "\n\nZoë,\n.\n..dots\nhttps://guild.example/confirm\n",
    ] {
        assert!(zoes.contains(part), "{part:?} is missing: {zoes}");
    }
    assert_eq!(bed.rows().await, 0);
    bed.remove().await;
}

#[tokio::test]
async fn mail_is_not_given_to_a_server_that_nobody_vouches_for() {
    let bed = Bed::sqlite().await;
    let address = free_address();
    let file = |name: &str| format!("{}/tests/webhooks/tls/{name}", env!("CARGO_MANIFEST_DIR"));
    let (certificate, key) = (file("receiver.pem"), file("receiver.key.pem"));
    let Some(server) = Server::start(address, bed.folder.path(), &["--smtpscert", &certificate, "--smtpskey", &key]).await else { return };
    let outbox = Outbox::start(&bed.db, vec![(vec!["mail.send".to_owned()], server_sink(&format!("smtps://{address}")))]).await.unwrap();
    write(&bed, &[("zoe", 1, "hello")]).await;
    assert_eq!(outbox.drain_once().await.unwrap(), 0);
    assert_eq!((server.messages().len(), bed.rows().await), (0, 1));
    bed.remove().await;
}
