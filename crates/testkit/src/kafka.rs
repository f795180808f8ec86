//! Names the Kafka that tests run on, makes topics with names of their own, and starts brokers that a test may kill.
//! Refuses to touch the broker the environment names beyond adding topics to it: other tests run on it at the same time.

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// The variable that holds HOST:PORT of a running Kafka; unset where there is none.
pub const VARIABLE: &str = "GUILDHALL_TEST_KAFKA";
/// The variable that holds the folder of Kafka's jars, for brokers of a test's own and clients written in Java.
pub const JARS_VARIABLE: &str = "GUILDHALL_TEST_KAFKA_JARS";

const READY_WITHIN: Duration = Duration::from_secs(90);
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);
/// What the broker writes when it serves.
const READY: &str = "Kafka Server started";
/// The lines that all nodes share.
const PROPERTIES: &str = include_str!("../../../xtask/kafka/server.properties");
const MEMORY: [&str; 3] = ["-Xmx512m", "-Xms64m", "-XX:+UseSerialGC"];

/// HOST:PORT of the shared Kafka, or nothing where the environment names none: the test should say that it was left out.
pub fn from_environment() -> Option<String> {
    std::env::var(VARIABLE).ok().filter(|address| !address.is_empty())
}

/// Makes a topic and waits until the broker answers for every partition of it.
pub async fn create_topic(address: &str, name: &str, partitions: i32) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", address).create().expect("an admin client is made without asking anyone");
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    let made = admin.create_topics([&topic], &AdminOptions::new().operation_timeout(Some(ANSWERS_WITHIN))).await;
    let made = made.expect("kafka answers");
    assert!(made.iter().all(Result::is_ok), "topic {name} was not made: {made:?}");
}

/// A broker of the test's own, which may be killed and started again on the same data and port.
pub struct Broker {
    address: SocketAddr,
    jars: PathBuf,
    folder: TempDir,
    process: Option<Child>,
}

impl Broker {
    /// Starts one; none where there are no jars, which the test should say.
    pub async fn start() -> Option<Broker> {
        let jars = PathBuf::from(std::env::var_os(JARS_VARIABLE).filter(|folder| !folder.is_empty())?);
        let folder = tempfile::Builder::new().prefix("guildhall-test-kafka-").tempdir().expect("a test gets a temporary folder");
        let (port, controller) = (free_port(), free_port());
        let own = format!(
            "listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
             controller.quorum.voters=1@127.0.0.1:{controller}\n\
             log.dirs={}\n",
            folder.path().join("data").display()
        );
        std::fs::write(properties(folder.path()), own + PROPERTIES).expect("a test may write to its folder");
        let mut broker = Broker { address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), jars, folder, process: None };
        broker.format().await;
        broker.start_again().await;
        Some(broker)
    }

    /// HOST:PORT.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Kills it as a power cut would.
    pub async fn kill(&mut self) {
        let mut process = self.process.take().expect("a broker is killed once");
        process.kill().await.expect("a child can be killed");
    }

    /// Starts it on what it left behind, and waits until it serves.
    pub async fn start_again(&mut self) {
        assert!(self.process.is_none(), "the broker runs");
        let log = File::create(self.log()).expect("a test may write to its folder");
        let errors = log.try_clone().expect("a file has a second handle");
        let mut command = self.java();
        command.args(MEMORY).arg("kafka.Kafka").arg(properties(self.folder.path())).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(log).stderr(errors).kill_on_drop(true);
        let mut process = command.spawn().expect("java runs");
        let started = Instant::now();
        loop {
            let text = std::fs::read_to_string(self.log()).unwrap_or_default();
            if text.contains(READY) && TcpStream::connect(self.address).is_ok() {
                break;
            }
            let ended = process.try_wait().expect("a child can be waited for");
            assert!(ended.is_none() && started.elapsed() < READY_WITHIN, "kafka did not start: {}", tail(&text));
            tokio::time::sleep(POLL).await;
        }
        self.process = Some(process);
    }

    /// Ends it with SIGTERM, as an operator does, and waits.
    pub async fn stop(&mut self) {
        let mut process = self.process.take().expect("a broker is stopped once");
        let id = process.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?)).expect("it runs");
        rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("a child takes signals");
        process.wait().await.expect("a child can be waited for");
    }

    async fn format(&self) {
        let mut command = self.java();
        // Sixteen bytes in base64 for URLs; any fixed id will do for a cluster of one.
        command.args(["kafka.tools.StorageTool", "format", "-t", "Z3VpbGRoYWxsLXRlc3RzAA", "-c"]).arg(properties(self.folder.path()));
        let done = command.stdin(Stdio::null()).output().await.expect("java runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&[done.stdout, done.stderr].concat()));
    }

    fn java(&self) -> Command {
        let home = std::env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin").join("java")).filter(|java| java.is_file());
        let mut command = Command::new(home.unwrap_or_else(|| "java".into()));
        command.arg("-cp").arg(self.jars.join("*"));
        command
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("kafka.log")
    }
}

fn properties(folder: &Path) -> PathBuf {
    folder.join("server.properties")
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).expect("a free port").port()
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
