//! The table of services: what each gives, what it needs, which paths and routes are its, which jobs it runs.
//! Refuses to start anything: whoever starts a process asks here what it consists of.

use crate::App;
use crate::config::Config;
use crate::jobs::{self, Jobs};
use serde::{Serialize, Serializer};
use std::fmt;

/// What a process must have to serve a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The shared database, with the key that signs tokens and the keys of personal data.
    Database,
    /// A copy of all products in memory, which follows the changes.
    Catalogue,
    /// What campaigns and mappings are in force, in memory, which follows the changes.
    Campaigns,
    /// Where game logs come from: Kafka, or an embedded log.
    Logs,
    /// The mail server or folder, the events file, and what else follows what was committed.
    Sinks,
    /// Addresses of the registry, to know who serves what.
    Registry,
}

/// A service.
pub struct Part {
    /// Its name, as `--services` takes it.
    pub name: &'static str,
    /// What its user gets.
    pub gives: &'static str,
    /// What a process must have to serve it.
    pub needs: &'static [Need],
    /// What its paths begin with, for a gateway: whole segments, `{x}` is any one of them, the longest wins.
    pub paths: &'static [&'static str],
    routes: fn(&App) -> web::Routes,
    jobs: fn(&App, &Jobs),
}

use Need::{Campaigns, Catalogue, Database, Logs, Registry, Sinks};

/// Every service, in the order in which the API's description lists them.
pub static TABLE: &[Part] = &[
    Part {
        name: "gateway",
        gives: "the single entry: routing, balancing, health, limits",
        needs: &[Registry],
        paths: &[],
        routes: |_| web::Routes::new(),
        jobs: |_, _| {},
    },
    Part {
        name: "registry",
        gives: "who is there: for processes of the fleet and Eureka's clients",
        needs: &[Database],
        paths: &["/v1/registry"],
        routes: |app| app.registry.routes(),
        jobs: jobs::registry,
    },
    Part {
        name: "accounts",
        gives: "sign-up, sign-in, profiles, roles, games with their keys, audit",
        needs: &[Database],
        // The pages are every process's; a gateway's callers are shown one's.
        paths: &[
            "/docs",
            "/openapi.json",
            "/v1/accounts",
            "/v1/audit",
            "/v1/email-confirmations",
            "/v1/games",
            "/v1/games/{game}/keys",
            "/v1/games/{game}/members",
            "/v1/password-resets",
            "/v1/sessions",
        ],
        routes: |app| app.accounts.routes(),
        jobs: jobs::accounts,
    },
    Part {
        name: "catalogue",
        gives: "products, genres, prices and sales; lists and search",
        needs: &[Database, Catalogue],
        paths: &["/v1/genres", "/v1/imports", "/v1/products"],
        routes: |app| app.catalogue.routes(),
        jobs: |_, _| {},
    },
    Part {
        name: "wallet",
        gives: "balances, charges, deductions and the ledger",
        needs: &[Database],
        paths: &["/v1/wallet", "/v1/accounts/{user}/wallet"],
        routes: |app| app.wallet.routes(),
        jobs: |_, _| {},
    },
    Part {
        name: "stock",
        gives: "limited stock: registered, raised, lowered, held",
        needs: &[Database],
        paths: &["/v1/stocks"],
        routes: |app| app.stock.routes(),
        jobs: |_, _| {},
    },
    Part {
        name: "orders",
        gives: "wishlists and orders",
        needs: &[Database],
        paths: &["/v1/orders", "/v1/wishlist"],
        routes: |app| app.orders.routes(),
        jobs: |_, _| {},
    },
    Part {
        name: "payments",
        gives: "entering, paying, buying, refunds, settlement",
        needs: &[Database, Catalogue],
        paths: &["/v1/payments", "/v1/settlements", "/v1/orders/{order}/cancel", "/v1/orders/{order}/items"],
        routes: |app| app.payments.routes(),
        jobs: jobs::payments,
    },
    Part {
        name: "library",
        gives: "owned products and plays",
        needs: &[Database],
        paths: &["/v1/library", "/v1/accounts/{user}/library"],
        routes: |app| app.library.routes(),
        jobs: |_, _| {},
    },
    Part {
        name: "outbox",
        gives: "webhooks, mail, events: what is sent after a commit",
        needs: &[Database, Sinks],
        paths: &["/v1/games/{game}/webhooks"],
        routes: |app| app.webhooks.routes(),
        jobs: jobs::outbox,
    },
    Part {
        name: "campaigns",
        gives: "campaigns changed while logs flow, progress, claims, fulfilment",
        needs: &[Database, Campaigns],
        paths: &[
            "/v1/campaigns",
            "/v1/links",
            "/v1/mappings",
            "/v1/games/{game}/campaigns",
            "/v1/games/{game}/claims",
            "/v1/games/{game}/fulfil-by",
            "/v1/games/{game}/fulfilments",
            "/v1/games/{game}/mapping",
            "/v1/games/{game}/players/{player}/achievements",
            "/v1/games/{game}/players/{player}/erase-progress",
            "/v1/games/{game}/players/{player}/link",
            "/v1/games/{game}/players/{player}/link-codes",
        ],
        routes: |app| app.campaigns.routes(),
        jobs: jobs::campaigns,
    },
    Part {
        name: "stream",
        gives: "from game logs to progress; dead letters, backtests, explanations",
        needs: &[Database, Campaigns, Logs],
        paths: &[
            "/v1/games/{game}/campaigns/backtest",
            "/v1/games/{game}/campaigns/{campaign}/players/{player}/explain",
            "/v1/games/{game}/dead-letters",
            "/v1/games/{game}/logs",
            "/v1/games/{game}/partitions",
        ],
        routes: |app| app.stream().map(stream::Stream::routes).unwrap_or_default(),
        jobs: jobs::stream,
    },
    Part {
        name: "teams",
        gives: "players, currencies, banners and recipes, for game teams",
        needs: &[Database],
        paths: &[
            "/v1/games/{game}/banners",
            "/v1/games/{game}/currencies",
            "/v1/games/{game}/grants",
            "/v1/games/{game}/placements",
            "/v1/games/{game}/players",
            "/v1/games/{game}/recipes",
            "/v1/recipe-views",
            "/v1/recipes",
        ],
        routes: |app| app.teams.routes().merge(app.recipes.routes()),
        jobs: jobs::teams,
    },
    Part {
        name: "insight",
        gives: "what statements cost, their plans, index advice",
        needs: &[Database],
        paths: &["/v1/insight"],
        routes: |app| app.insight.routes(),
        jobs: |_, _| {},
    },
    Part {
        name: "console",
        gives: "the operators' web pages, below /console",
        needs: &[],
        paths: &["/console"],
        // Its pages are no routes of the API.
        routes: |_| web::Routes::new(),
        jobs: |_, _| {},
    },
];

impl Part {
    /// The service of a name.
    pub fn named(name: &str) -> Option<&'static Part> {
        TABLE.iter().find(|part| part.name == name)
    }

    /// Its routes in an application, with their descriptions.
    pub fn routes(&self, app: &App) -> web::Routes {
        (self.routes)(app)
    }

    /// Starts its jobs.
    pub(crate) fn start_jobs(&self, app: &App, jobs: &Jobs) {
        (self.jobs)(app, jobs);
    }
}

/// The services of one process.
#[derive(Clone)]
pub struct Services(Vec<&'static Part>);

/// What stands for every service but the gateway, which one process alone has no use for.
const ALL: &str = "all";
const GATEWAY: &str = "gateway";

impl Services {
    /// Every service that one process alone needs.
    pub fn all() -> Services {
        Services(TABLE.iter().filter(|part| part.name != GATEWAY).collect())
    }

    /// From names between commas, or `all`; the error names what is unknown.
    pub fn parse(text: &str) -> Result<Services, String> {
        let names: Vec<&str> = text.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        let known = || TABLE.iter().map(|part| part.name).collect::<Vec<_>>().join(", ");
        if names.is_empty() {
            return Err(format!("no service is named: all, or some of {} would be right", known()));
        }
        if let Some(unknown) = names.iter().find(|name| **name != ALL && Part::named(name).is_none()) {
            return Err(format!("there is no service {unknown:?}: all, or some of {} would be right", known()));
        }
        let all = names.contains(&ALL);
        Ok(Services(TABLE.iter().filter(|part| names.contains(&part.name) || (all && part.name != GATEWAY)).collect()))
    }

    /// Whether the process serves it.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|part| part.name == name)
    }

    /// Whether it serves everything, so that no other process is needed.
    pub fn are_all(&self) -> bool {
        Services::all().0.iter().all(|part| self.has(part.name))
    }

    /// Whether one of them needs this.
    pub fn need(&self, need: Need) -> bool {
        self.0.iter().any(|part| part.needs.contains(&need))
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &'static Part> {
        self.0.iter().copied()
    }

    /// What a process with this configuration lacks to serve them, each with what would be right.
    pub fn lacking(&self, config: &Config) -> Vec<String> {
        let mut lacking = Vec::new();
        if self.has(GATEWAY) && self.0.len() > 1 {
            lacking.push(format!(
                "gateway: it is a process of its own, and this one is to serve {self} too: one process for each would be right"
            ));
        }
        if self.need(Registry) && config.registry.urls.is_empty() {
            lacking.push(
                "gateway: it finds services by a registry, and none is named: registry.urls = \"http://HOST:8761\" would be right"
                    .to_owned(),
            );
        }
        let whose = |need| self.iter().filter(|part| part.needs.contains(&need)).map(|part| part.name).collect::<Vec<_>>().join(", ");
        if !self.are_all() && self.need(Database) && config.database_url().sqlite_file().is_some() {
            lacking.push(format!(
                "{}: services in several processes share a Postgres, and {} is for one process: --db postgres://USER:PASSWORD@HOST/NAME, \
                 or --services all would be right",
                whose(Database),
                config.database_url()
            ));
        }
        if !self.are_all() && self.need(Logs) && config.kafka.brokers.is_empty() && config.broker.dir.as_os_str().is_empty() {
            lacking.push(format!(
                "{}: game logs come from a Kafka, and none is named: --kafka HOST:PORT would be right, or broker.dir in the one process that has \
                 the embedded log",
                whose(Logs)
            ));
        }
        lacking
    }
}

impl fmt::Display for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.are_all() && !self.has(GATEWAY) {
            return f.write_str(ALL);
        }
        let names: Vec<&str> = self.iter().map(|part| part.name).collect();
        f.write_str(&names.join(","))
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for Services {
    fn eq(&self, other: &Services) -> bool {
        self.iter().map(|part| part.name).eq(other.iter().map(|part| part.name))
    }
}

impl Serialize for Services {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
