//! The same world behind a gateway: the services in several applications on one database, each with a server of its own, and a gateway
//! before them as the program has it. Refuses to move a test: what it asks for goes to the gateway, and comes back as from one server.

use guildhall::config::Config;
use guildhall::fleet::gateway;
use guildhall::secrets::Secrets;
use guildhall::services::{Need, Services, TABLE};
use guildhall::{App, server};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use web::Tokens;

/// Set to `gateway`, the worlds on Postgres are behind one.
const VARIABLE: &str = "GUILDHALL_THROUGH";
/// Set to anything, every service but the logs' stands there twice.
const FULL: &str = "GUILDHALL_FULL";
/// What the application serves that a test holds in its hands: sinks and logs have one owner in a process, and tests drive them.
const OWN: &str = "payments,outbox,stream";
/// What of it a second application may serve.
const OWN_TWICE: &str = "payments";
/// What further applications serve; services that stand nowhere are served by the last.
const OTHERS: [&[&str]; 3] = [&["accounts", "registry"], &["catalogue", "wallet", "stock", "orders", "library"], &["campaigns"]];

/// Whether worlds are to stand behind a gateway.
pub(crate) fn is_asked_for() -> bool {
    std::env::var_os(VARIABLE).is_some_and(|through| through == "gateway")
}

/// What the application in the test's hands serves.
pub(crate) fn own_services() -> Services {
    Services::parse(OWN).expect("the table has them")
}

/// What stands behind the gateway besides the test's own application, and the gateway itself.
pub(crate) struct Behind {
    /// Where the gateway is.
    pub(crate) address: SocketAddr,
    /// The other applications.
    pub(crate) apps: Vec<App>,
    stop: Vec<Arc<Notify>>,
    serving: Vec<JoinHandle<()>>,
}

impl Behind {
    pub(crate) async fn start(config: &Config, secrets: &Secrets, own: (&App, SocketAddr), jobs: bool) -> Behind {
        let mut places: Vec<(Services, SocketAddr)> = vec![(own_services(), own.1)];
        let mut behind = Behind { address: own.1, apps: Vec::new(), stop: Vec::new(), serving: Vec::new() };
        for services in others() {
            let mut config = config.clone();
            config.server.services = services.clone();
            let listener = server::bind(config.server.listen).expect("a free port");
            places.push((services, listener.local_addr().expect("a bound socket has an address")));
            let app = App::start(config, secrets).await.expect("the application starts");
            if jobs {
                app.start_jobs();
            }
            let (serving, stop) = (app.clone(), behind.stops());
            behind.serving.push(tokio::spawn(async move { server::serve(&serving, listener, stop.notified()).await }));
            behind.apps.push(app);
        }
        behind.open(config, secrets, own.0, &places);
        behind
    }

    /// The gateway, with no limits per caller: a test asks more in a second than a person does.
    fn open(&mut self, config: &Config, secrets: &Secrets, own: &App, places: &[(Services, SocketAddr)]) {
        let mut config = config.clone();
        (config.gateway.address_per_s, config.gateway.user_per_s, config.gateway.key_per_s) = (0, 0, 0);
        // The clock is the test's own: what is signed here is read by applications whose clocks it moves.
        let tokens = Tokens::new(secrets.token_key().reveal(), i64::from(config.accounts.access_token_s), own.db.clone());
        let snapshot = Arc::new(gateway::known(places.iter().map(|(services, address)| (services, *address))));
        let made = gateway::made(&config, secrets.token_key(), move || snapshot.clone(), Arc::new(tokens)).expect("a gateway can be made");
        let listener = server::bind(config.server.listen).expect("a free port");
        self.address = listener.local_addr().expect("a bound socket has an address");
        let stop = self.stops();
        self.serving.push(tokio::spawn(async move { made.serve(listener, None, stop.notified()).await }));
    }

    fn stops(&mut self) -> Arc<Notify> {
        let stop = Arc::new(Notify::new());
        self.stop.push(stop.clone());
        stop
    }

    /// Stops the gateway first, then the applications.
    pub(crate) async fn stop(mut self) {
        while let (Some(stop), Some(serving)) = (self.stop.pop(), self.serving.pop()) {
            stop.notify_one();
            serving.await.expect("a server ends by itself");
        }
        for app in self.apps {
            app.stop().await;
        }
    }
}

fn others() -> Vec<Services> {
    let own = own_services();
    let placed = |name: &str| own.has(name) || OTHERS.iter().any(|names| names.contains(&name));
    let more = TABLE.iter().map(|part| part.name).filter(|name| *name != "gateway" && !placed(name));
    let mut others: Vec<Vec<&str>> = OTHERS.iter().map(|names| names.to_vec()).collect();
    others.last_mut().expect("there are others").extend(more);
    let once = others.iter().map(|names| names.join(","));
    let named: Vec<String> = match std::env::var_os(FULL) {
        Some(_) => once.clone().chain(once).chain([OWN_TWICE.to_owned()]).collect(),
        None => once.collect(),
    };
    named.iter().map(|names| Services::parse(names).expect("the table has them")).collect()
}

/// The same before lists and products are read: tests also change them by imports, which no request of theirs tells.
pub(crate) async fn caught_up_with_products(apps: &[App], path: &str) {
    let reads = ["/v1/products", "/v1/genres", "/v1/imports"].iter().any(|start| path.starts_with(start));
    for app in apps.iter().filter(|app| reads && app.config.server.services.need(Need::Catalogue)) {
        app.catalogue.refresh().await.expect("the database answers");
    }
}

/// Waits until everybody has heard of the changes there are. Processes follow each other within parts of a second (docs/fleet.md says
/// which within what time); tests do not wait for the clock, so they are told at once.
pub(crate) async fn caught_up(apps: &[App]) {
    for app in apps {
        app.accounts.refresh_ended().await.expect("the database answers");
        app.db.refresh_subscriptions().await.expect("the database answers");
        if app.config.server.services.need(Need::Catalogue) {
            app.catalogue.refresh().await.expect("the database answers");
        }
        if app.config.server.services.need(Need::Campaigns) {
            app.campaigns.live().refresh().await.expect("the database answers");
        }
    }
}
