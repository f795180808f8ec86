//! The processes of the measurement: a service, the gateway, nginx. Each ends with the measurement.

use gateway::{Gateway, Limits, Policy, Route, Table};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use registry::client::Snapshot;
use registry::{Instance, Status};
use std::convert::Infallible;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use web::Tokens;

/// Tells a process what it is.
pub(crate) const ROLE: &str = "GUILDHALL_BENCH_ROLE";
const SERVICE: &str = "GUILDHALL_BENCH_SERVICE";
/// As large as an order's answer.
const ANSWER: &[u8] = &[b'a'; 400];
/// Clock ticks per second, in which Linux counts CPU time (USER_HZ is 100 on every architecture this runs on).
const TICKS: f64 = 100.0;

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Service,
    Gateway,
    Nginx,
}

/// A process that runs until it is dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    child: Child,
    folder: Option<tempfile::TempDir>,
}

impl Running {
    pub(crate) fn start(kind: Kind, service: Option<SocketAddr>) -> Running {
        if kind == Kind::Nginx {
            return nginx(service.expect("nginx stands before a service"));
        }
        let role = if kind == Kind::Service { "service" } else { "gateway" };
        Running::playing(role, &std::env::current_exe().expect("this program has a path"), service)
    }

    /// The gateway of another build of this benchmark.
    pub(crate) fn start_older(program: &str, service: SocketAddr) -> Running {
        Running::playing("gateway", Path::new(program), Some(service))
    }

    fn playing(role: &str, program: &Path, service: Option<SocketAddr>) -> Running {
        let mut command = Command::new(program);
        command.env(ROLE, role).stdout(Stdio::piped());
        if let Some(service) = service {
            command.env(SERVICE, service.to_string());
        }
        let mut child = command.spawn().expect("the program can be started");
        let lines = BufReader::new(child.stdout.take().expect("its output is piped")).lines();
        let address = lines.map_while(Result::ok).find_map(|line| line.parse().ok()).expect("it tells where it serves");
        Running { address, child, folder: None }
    }

    /// CPU time of the process and of its children, in seconds.
    pub(crate) fn cpu_s(&self) -> f64 {
        let own = [self.child.id()].into_iter();
        own.chain(children(self.child.id())).map(ticks).sum::<f64>() / TICKS
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let workers: Vec<u32> = children(self.child.id()).collect();
        drop(self.child.kill());
        drop(self.child.wait());
        // nginx's workers end with their master only when they are told to.
        for worker in workers {
            if let Some(pid) = i32::try_from(worker).ok().and_then(rustix::process::Pid::from_raw) {
                // It may have ended by itself.
                rustix::process::kill_process(pid, rustix::process::Signal::TERM).ok();
            }
        }
        drop(self.folder.take());
    }
}

fn children(of: u32) -> impl Iterator<Item = u32> {
    let text = std::fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>().into_iter()
}

fn ticks(of: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{of}/stat")).unwrap_or_default();
    let after_name = text.rsplit_once(") ").map_or("", |(_, rest)| rest);
    after_name.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum()
}

fn nginx(service: SocketAddr) -> Running {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().display();
    let port = StdListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port is free").port();
    let text = format!(
        "daemon off; pid {path}/pid; error_log {path}/error.log; worker_processes 2; worker_rlimit_nofile 20000;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path {path}/body; proxy_temp_path {path}/proxy; fastcgi_temp_path {path}/f; uwsgi_temp_path {path}/u; scgi_temp_path {path}/s;
  upstream service {{ server {service}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Request-Id $request_id;
    }}
  }}
}}"
    );
    let file = folder.path().join("nginx.conf");
    std::fs::write(&file, text).expect("the folder can be written");
    let child = Command::new("nginx").arg("-p").arg(folder.path()).arg("-c").arg(&file).stderr(Stdio::null()).spawn();
    let child = child.expect("nginx is installed: apt-get install nginx-light");
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let until = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < until, "nginx does not listen at {address}");
        std::thread::yield_now();
    }
    Running { address, child, folder: Some(folder) }
}

/// What a process started by [`Running::start`] does.
pub(crate) fn play(role: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime can be made");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let mut out = std::io::stdout();
        writeln!(out, "{address}").and_then(|()| out.flush()).expect("who started this listens");
        if role == "service" { serve(listener).await } else { proxy(listener).await }
    });
}

async fn serve(listener: TcpListener) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        drop(stream.set_nodelay(true));
        let answer = service_fn(async |_: Request<Incoming>| {
            Ok::<_, Infallible>(Response::new(http_body_util::Full::new(bytes::Bytes::from_static(ANSWER))))
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}

async fn proxy(listener: TcpListener) {
    let service = std::env::var(SERVICE).expect("it was told where the service is");
    let instance = Instance {
        service: "app".to_owned(),
        id: "app-1".to_owned(),
        address: service,
        secure: false,
        version: String::new(),
        weight: 100,
        status: Status::Up,
        metadata: std::collections::BTreeMap::new(),
    };
    let snapshot = Arc::new(Snapshot::of([instance]));
    let much = gateway::Rate { per_s: 10_000_000, burst: 10_000_000 };
    let policy = Policy { access_log: false, limits: Limits { address: much, user: much, ..Limits::default() }, ..Policy::default() };
    let table = Table::new(vec![Route::to("/v1", "app")]).expect("the route is right");
    let tokens = Arc::new(Tokens::without_database(&[7; 32], 900));
    let gateway = Gateway::new(policy, table, move || snapshot.clone(), tokens, &[7; 32]).expect("the policy is right");
    gateway.serve(listener, None, std::future::pending()).await;
}
