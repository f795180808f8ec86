//! One death of a server: the requests under way around it, what each was answered, and what must be true of them afterwards.
//! Refuses to believe an answer alone: each is compared with the payment, the library and the ledger.

use crate::server::Server;
use futures::stream::{self, StreamExt as _};
use guildhall::demo::crowd::Member;
use kernel::{PaymentId, ProductId};
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use reqwest::Client;
use serde_json::{Value, json};
use std::os::unix::process::ExitStatusExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// Players of a round.
pub(crate) const PLAYERS: usize = 24;
/// Entered payments of each.
pub(crate) const PAYMENTS_EACH: i64 = 3;
/// Of the players, those who buy a limited copy besides.
pub(crate) const BUYERS: usize = 12;
/// Limited copies there are for them.
pub(crate) const COPIES: i64 = 5;

/// Requests under way at the same time.
const UNDER_WAY: usize = 8;

/// How a server dies.
pub(crate) enum Death<'a> {
    /// `kill -9` after so many answers and so many microseconds.
    Killed { after: usize, later_us: u64 },
    /// At a point it was told of.
    ByItself(&'a str),
}

#[derive(Debug, Clone, PartialEq)]
struct Answered {
    status: u16,
    body: Value,
}

enum What {
    Pay(PaymentId),
    Buy,
}

struct Request {
    player: Member,
    key: String,
    what: What,
    product: ProductId,
    answered: Option<Answered>,
}

impl Request {
    fn path(&self) -> String {
        match self.what {
            What::Pay(payment) => format!("/v1/payments/{payment}/pay"),
            What::Buy => "/v1/payments/buy".to_owned(),
        }
    }

    fn body(&self) -> Value {
        match self.what {
            What::Pay(_) => json!({}),
            What::Buy => json!({ "products": [self.product] }),
        }
    }

    /// What it was answered; none when the server died under it.
    async fn send(&self, client: &Client, server: &str) -> Option<Answered> {
        let ask = client.post(format!("{server}{}", self.path())).bearer_auth(&self.player.token).header("idempotency-key", &self.key);
        let response = ask.json(&self.body()).send().await.ok()?;
        let status = response.status().as_u16();
        let body: Value = serde_json::from_slice(&response.bytes().await.ok()?).expect("a whole answer is JSON");
        let fits = match self.what {
            What::Pay(_) => status == 200,
            What::Buy => status == 201 || (status == 409 && body["code"] == "sold-out"),
        };
        assert!(fits, "{} was answered {status} {body}", self.path());
        Some(Answered { status, body })
    }

    /// The payment this came to, if it came to one.
    fn paid(&self) -> Option<&str> {
        let answered = self.answered.as_ref()?;
        (answered.status < 300).then(|| answered.body["payment"].as_str().expect("a receipt names its payment"))
    }
}

/// The requests of one death.
pub(crate) struct Round {
    pub(crate) number: usize,
    requests: Vec<Request>,
}

impl Round {
    pub(crate) fn new(number: usize) -> Round {
        Round { number, requests: Vec::new() }
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.len()
    }

    pub(crate) fn will_pay(&mut self, player: &Member, payment: PaymentId, product: ProductId) {
        self.push(player, What::Pay(payment), product);
    }

    pub(crate) fn will_buy(&mut self, player: &Member, product: ProductId) {
        self.push(player, What::Buy, product);
    }

    fn push(&mut self, player: &Member, what: What, product: ProductId) {
        let key = format!("key-{}-{}", self.number, self.requests.len());
        self.requests.push(Request { player: player.clone(), key, what, product, answered: None });
    }

    /// Sends the requests in any order, many at a time, until the server is dead; returns how many were answered.
    pub(crate) async fn ask_until_it_dies(&mut self, mut server: Server, random: &mut StdRng, death: Death<'_>) -> usize {
        self.requests.shuffle(random);
        let (client, url) = (client(), server.url());
        let (answers, is_time) = (AtomicUsize::new(0), Notify::new());
        let after = match death {
            Death::Killed { after, .. } => after,
            Death::ByItself(_) => usize::MAX,
        };
        if after == 0 {
            is_time.notify_one();
        }
        let asked = Notify::new();
        let asking = stream::iter(&mut self.requests).for_each_concurrent(UNDER_WAY, |request| {
            let (client, url, answers, is_time) = (&client, &url, &answers, &is_time);
            async move {
                request.answered = request.send(client, url).await;
                if request.answered.is_some() && answers.fetch_add(1, Ordering::SeqCst) + 1 == after {
                    is_time.notify_one();
                }
            }
        });
        let dying = async {
            match death {
                Death::Killed { later_us, .. } => {
                    is_time.notified().await;
                    tokio::time::sleep(Duration::from_micros(later_us)).await;
                    server.kill();
                }
                Death::ByItself(place) => {
                    asked.notified().await;
                    is_dead_by_itself(&mut server, place).await;
                }
            }
        };
        let asking = async {
            asking.await;
            asked.notify_one();
        };
        tokio::join!(asking, dying);
        self.answered()
    }

    fn answered(&self) -> usize {
        self.requests.iter().filter(|request| request.answered.is_some()).count()
    }

    /// Right after the restart, before anything is repeated.
    pub(crate) async fn finds_what_was_answered(&self, server: &Server) {
        self.each(server, |request, client, url| async move {
            if let Some(payment) = request.paid() {
                request.is_there_once(&client, &url, payment).await;
            }
        })
        .await;
    }

    /// Everybody asks again under the same key, twice at once: what was answered is answered the same, what was not gets one answer.
    pub(crate) async fn asks_again(&mut self, server: &Server) {
        let (client, url) = (client(), server.url());
        let again = stream::iter(&mut self.requests).for_each_concurrent(UNDER_WAY, |request| {
            let (client, url) = (&client, &url);
            async move {
                let (one, two) = tokio::join!(request.send(client, url), request.send(client, url));
                let (one, two) = (one.expect("the server lives"), two.expect("the server lives"));
                assert_eq!(one.status, two.status, "{} under {}", request.path(), request.key);
                let first = request.answered.clone().unwrap_or_else(|| one.clone());
                assert_eq!(first.status, one.status, "{} under {}: {first:?}, then {one:?}", request.path(), request.key);
                if first.status < 300 {
                    assert_eq!((&first.body, &first.body), (&one.body, &two.body), "one answer under {}", request.key);
                }
                request.answered = Some(first);
            }
        });
        again.await;
    }

    /// Every payment is paid, once; of the limited copies exactly those there were are sold.
    pub(crate) async fn has_everything_once(&self, server: &Server) {
        self.each(server, |request, client, url| async move {
            if let What::Pay(payment) = request.what {
                assert_eq!(request.paid(), Some(payment.to_string().as_str()));
            }
            if let Some(payment) = request.paid() {
                request.is_there_once(&client, &url, payment).await;
            }
        })
        .await;
        let sold = self.requests.iter().filter(|request| matches!(request.what, What::Buy) && request.paid().is_some()).count();
        assert_eq!(sold as i64, COPIES, "limited copies of round {}", self.number);
    }

    async fn each<'r, F: Future<Output = ()>>(&'r self, server: &Server, look: impl Fn(&'r Request, Client, String) -> F) {
        let (client, url) = (client(), server.url());
        stream::iter(&self.requests).for_each_concurrent(UNDER_WAY, |request| look(request, client.clone(), url.clone())).await;
    }
}

impl Request {
    /// The payment is paid, the product is in the library by it, and the ledger took its price once.
    async fn is_there_once(&self, client: &Client, url: &str, payment: &str) {
        let get = |path: String| async move {
            let response = client.get(format!("{url}{path}")).bearer_auth(&self.player.token).send().await.expect("the server lives");
            assert_eq!(response.status().as_u16(), 200, "{path} under {}", self.key);
            response.json::<Value>().await.expect("an answer is JSON")
        };
        let paths = [
            format!("/v1/payments/{payment}"),
            format!("/v1/library/{}", self.product),
            "/v1/wallet/entries?currency=POINTS&size=100".to_owned(),
        ];
        let [read, owned, ledger] = paths.map(get);
        let (read, owned, ledger) = tokio::join!(read, owned, ledger);
        assert_eq!(read["state"], "paid", "payment {payment} under {}", self.key);
        assert_eq!(owned["source"]["id"], payment, "product {} under {}", self.product, self.key);
        let taken: Vec<&Value> = ledger["items"].as_array().expect("a page").iter().filter(|entry| entry["reference"] == payment).collect();
        assert_eq!(taken.len(), 1, "ledger rows of payment {payment} under {}: {taken:?}", self.key);
        assert_eq!(taken[0]["amount_minor"].as_i64(), read["amount_minor"].as_i64().map(|minor| -minor));
    }
}

/// Waits for a server to die at its point; one that outlives every request never passed it.
async fn is_dead_by_itself(server: &mut Server, place: &str) {
    let status = server.ended().await.unwrap_or_else(|| panic!("the server did not die at {place}"));
    assert_eq!(status.signal(), Some(6), "the server ended by itself at {place}, with {status}");
}

fn client() -> Client {
    Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().expect("a client without TLS")
}
