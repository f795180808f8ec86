//! The table of services against what the services really serve: a gateway finds each of their routes, and a process that lacks something
//! says what.

use guildhall::config::{Config, DatabaseUrl};
use guildhall::fleet::gateway;
use guildhall::services::{Services, TABLE};
use testkit::World;

#[test]
fn every_route_of_every_service_is_found_by_a_gateway_and_no_other_service_has_it() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a test gets its threads");
    runtime.block_on(async {
        let world = World::streaming(|_| {}, None).await;
        let table = gateway::table(&world.app.config).expect("the paths of all services");
        let mut seen = 0;
        for part in TABLE {
            let routes = part.routes(&world.app);
            for path in routes.get_openapi().paths.paths.keys() {
                let called: Vec<&str> = path.split('/').map(|part| if part.starts_with('{') { "7" } else { part }).collect();
                let found = table.find("", &called.join("/")).map(|index| table.routes()[index].service.as_str());
                assert_eq!(found, Some(part.name), "{path}");
                seen += 1;
            }
        }
        assert!(seen > 100, "{seen} routes");
        world.stop().await;
    });
}

#[test]
fn names_are_taken_between_commas_and_unknown_ones_are_named() {
    assert_eq!(Services::parse("all").unwrap(), Services::all());
    assert_eq!(Services::parse(" orders, payments ").unwrap().to_string(), "orders,payments");
    assert!(!Services::all().has("gateway"), "one process needs none before it");
    let told = Services::parse("orders,paymets").unwrap_err();
    assert!(told.contains("\"paymets\"") && told.contains("payments"), "{told}");
    assert!(Services::parse("").is_err());
}

#[test]
fn a_process_says_what_it_lacks_and_what_would_be_right() {
    let lacking = |names: &str, change: fn(&mut Config)| {
        let mut config = Config::default();
        change(&mut config);
        Services::parse(names).unwrap().lacking(&config).join("\n")
    };
    let on_postgres = |config: &mut Config| config.db.url = DatabaseUrl::parse("postgres://ann:hunter2@db/g").unwrap();
    assert_eq!(lacking("all", |_| {}), "");
    let told = lacking("orders,payments", |_| {});
    assert!(told.contains("orders, payments") && told.contains("--db postgres://"), "{told}");
    assert_eq!(lacking("orders,payments", on_postgres), "");
    let told = lacking("stream", on_postgres);
    assert!(told.contains("--kafka HOST:PORT") && !told.contains("hunter2"), "{told}");
    let told = lacking("gateway", |_| {});
    assert!(told.contains("registry.urls"), "{told}");
    let told = lacking("gateway,orders", |config| config.registry.urls = "http://127.0.0.1:8761".to_owned());
    assert!(told.contains("a process of its own"), "{told}");
}
