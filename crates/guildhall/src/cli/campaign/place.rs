//! Where campaigns are: behind a running server, or in the database that is opened here.

use super::At;
use super::remote::{Remote, escaped};
use crate::App;
use crate::cli::{DataLock, Settings, start::writing};
use campaigns::commands::manage::Ask;
use campaigns::decide::manage::{Change, Policy};
use campaigns::queries::State;
use db::{Error, Meta};
use kernel::{GameId, UserId, Uuid, page::PAGE_SIZE_MAX};
use rules::Campaign;
use serde_json::{Value, json};

/// Whoever runs the machine, as the versions of campaigns name them: nobody's account.
const MACHINE: UserId = UserId(Uuid::nil());

pub(super) enum Place {
    Server(Remote),
    Here(Box<App>, Option<DataLock>),
}

impl Place {
    pub(super) async fn open(settings: &Settings, at: &At) -> Result<Place, String> {
        if let Some(url) = &at.server {
            return Remote::new(url, at.token.clone()).map(Place::Server);
        }
        let (app, lock) = writing(settings).await.map_err(|told| format!("{told}; for a running server give --server"))?;
        Ok(Place::Here(Box::new(app), lock))
    }

    pub(super) async fn close(self) {
        if let Place::Here(app, lock) = self {
            app.stop().await;
            drop(lock);
        }
    }

    pub(super) async fn apply(&self, draft: &Campaign, document: &Value, policy: Policy) -> Result<Value, String> {
        match self {
            Place::Server(remote) => remote.put(&of(&draft.game, &draft.id), json!({ "campaign": document, "policy": policy })).await,
            Place::Here(app, _) => change(app, &draft.game, Change::Apply(Box::new(draft.clone()), policy)).await,
        }
    }

    pub(super) async fn stop(&self, game: &GameId, campaign: &str) -> Result<Value, String> {
        match self {
            Place::Server(remote) => remote.post(&format!("{}/stop", of(game, campaign)), json!({})).await,
            Place::Here(app, _) => change(app, game, Change::Stop(campaign.to_owned())).await,
        }
    }

    pub(super) async fn show(&self, game: &GameId, campaign: &str) -> Result<Value, String> {
        match self {
            Place::Server(remote) => remote.get(&of(game, campaign)).await,
            Place::Here(app, _) => plain(app.campaigns.detail(game, campaign).await.map_err(told)?),
        }
    }

    /// Every page of a game's campaigns.
    pub(super) async fn list(&self, game: &GameId, state: Option<&str>) -> Result<Value, String> {
        let (mut items, mut cursor) = (Vec::new(), None::<kernel::Cursor>);
        loop {
            let page = match self {
                Place::Server(remote) => {
                    let state = state.map_or_else(String::new, |state| format!("&state={state}"));
                    let cursor = cursor.map_or_else(String::new, |cursor| format!("&cursor={}", escaped(&cursor.0)));
                    remote.get(&format!("/v1/games/{game}/campaigns?size={PAGE_SIZE_MAX}{state}{cursor}")).await?
                }
                Place::Here(app, _) => {
                    let state: Option<State> =
                        state.map(|state| serde_json::from_value(json!(state))).transpose().map_err(|e| e.to_string())?;
                    plain(app.campaigns.list(game, state, cursor.as_ref(), Some(PAGE_SIZE_MAX)).await.map_err(told)?)?
                }
            };
            items.extend(page["items"].as_array().cloned().unwrap_or_default());
            match page["next"].as_str() {
                Some(next) => cursor = Some(kernel::Cursor(next.to_owned())),
                None => return Ok(Value::Array(items)),
            }
        }
    }
}

/// The path of a campaign.
pub(super) fn of(game: &GameId, campaign: &str) -> String {
    format!("/v1/games/{game}/campaigns/{}", escaped(campaign))
}

async fn change(app: &App, game: &GameId, change: Change) -> Result<Value, String> {
    app.accounts.game(game).await.map_err(told)?;
    let ask = Ask { actor: MACHINE, game: game.clone(), change };
    plain(app.campaigns.change(Meta::ours("campaign command"), ask).await.map_err(told)?)
}

pub(super) fn plain(answer: impl serde::Serialize) -> Result<Value, String> {
    serde_json::to_value(answer).map_err(|e| e.to_string())
}

/// A refusal as people read it, with the list of what is wrong in a document.
pub(super) fn told(error: Error) -> String {
    let Error::Refused(refusal) = &error else { return error.to_string() };
    let faults = refusal.facts.as_ref().and_then(|facts| facts["faults"].as_array()).cloned().unwrap_or_default();
    let lines = faults
        .iter()
        .map(|fault| format!("\n  {}: {}", fault["path"].as_str().unwrap_or_default(), fault["reason"].as_str().unwrap_or_default()));
    format!("{refusal}{}", lines.collect::<String>())
}
