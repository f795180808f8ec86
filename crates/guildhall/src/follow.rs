//! What follows in campaigns from what happened elsewhere: refunds take rewards back, and a delivered webhook delivers its fulfilment.
//! Refuses to decide: each is handed to the campaigns' own commands, which look again.

use campaigns::model::FulfilmentState;
use campaigns::{Campaigns, Ended};
use db::{Error, Tx};
use futures::future::BoxFuture;
use kernel::{FulfilmentId, PaymentId, ProductId, Uuid};
use outbox::{DeliveryListener, Ending, Outgoing, Settled, Sink};
use serde::Deserialize;

const REFUNDED: &str = "payment.refunded";
const FULFILMENT: &str = "fulfilment.created";

/// Hears of refunds.
pub(crate) struct Follow {
    campaigns: Campaigns,
}

#[derive(Deserialize)]
struct Refunded {
    payment: PaymentId,
    /// Those of its products that came back, now or before.
    refunded_products: Vec<ProductId>,
}

impl Follow {
    pub(crate) fn new(campaigns: &Campaigns) -> Follow {
        Follow { campaigns: campaigns.clone() }
    }

    /// The topics it hears of.
    pub(crate) fn topics() -> Vec<String> {
        vec![REFUNDED.to_owned()]
    }

    async fn follow(&self, outgoing: &Outgoing) -> Result<(), String> {
        let Refunded { payment, refunded_products } = serde_json::from_value(outgoing.payload.clone())
            .map_err(|e| format!("{} does not hold what it should: {e}", outgoing.topic))?;
        self.campaigns.refunded(payment, &refunded_products).await.map(drop).map_err(|e| e.to_string())
    }
}

impl Sink for Follow {
    fn name(&self) -> &str {
        "campaigns"
    }

    fn target(&self) -> String {
        "this store's own campaigns".to_owned()
    }

    fn send<'a>(&'a self, batch: &'a [&'a Outgoing]) -> BoxFuture<'a, Vec<Result<(), String>>> {
        Box::pin(async move {
            let mut answers = Vec::with_capacity(batch.len());
            for outgoing in batch {
                answers.push(self.follow(outgoing).await);
            }
            answers
        })
    }
}

/// Tells fulfilments how their webhooks ended.
pub(crate) struct Fulfilled;

impl DeliveryListener for Fulfilled {
    fn settled<'a>(&'a self, tx: &'a mut Tx<'_>, settled: &'a [Settled]) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let ended: Vec<Ended> = settled.iter().filter_map(ended).collect();
            if ended.is_empty() { Ok(()) } else { campaigns::fulfilments_settled(tx, &ended).await }
        })
    }
}

fn ended(settled: &Settled) -> Option<Ended> {
    let id = settled.aggregate.strip_prefix("fulfilment/").filter(|_| settled.topic == FULFILMENT)?;
    let (state, note) = match settled.ending {
        Ending::Delivered => (FulfilmentState::Delivered, ""),
        Ending::Parked => (FulfilmentState::Parked, "given up: the webhook's deliveries tell why"),
        Ending::Unheard => (FulfilmentState::Parked, "no enabled webhook of the game wants fulfilment.created"),
    };
    Some((FulfilmentId(id.parse::<Uuid>().ok()?), state, note))
}
