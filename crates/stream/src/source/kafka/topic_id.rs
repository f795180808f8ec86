//! Asks a broker for a topic's id, which librdkafka does not tell: a topic deleted and made again has another one.
//! Refuses to fail anybody: a broker that gives no ids, or does not answer, leaves the topic without one.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{ApiKey, MetadataRequest, MetadataResponse, RequestHeader, ResponseHeader, TopicName};
use kafka_protocol::protocol::{Decodable as _, Encodable as _, StrBytes};
use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

/// The first version whose answers hold topic ids; every broker since Kafka 2.8 speaks it.
const VERSION: i16 = 10;
const WAIT_MAX: Duration = Duration::from_secs(3);
/// An answer about one topic is a few kilobytes; nothing longer is read.
const ANSWER_MAX: usize = 4 << 20;

/// The topic's id by the first broker that answers.
pub(super) fn ask(brokers: &str, topic: &str) -> Option<[u8; 16]> {
    brokers.split(',').find_map(|broker| match ask_one(broker.trim(), topic) {
        Ok(id) => Some(id),
        Err(error) => {
            tracing::debug!(broker, %error, "a broker did not tell a topic's id");
            None
        }
    })
}

fn ask_one(broker: &str, topic: &str) -> io::Result<[u8; 16]> {
    let address = broker.to_socket_addrs()?.next().ok_or_else(|| io::Error::other("the broker's name has no address"))?;
    let mut stream = TcpStream::connect_timeout(&address, WAIT_MAX)?;
    stream.set_read_timeout(Some(WAIT_MAX))?;
    stream.set_write_timeout(Some(WAIT_MAX))?;
    stream.write_all(&question(topic).map_err(io::Error::other)?)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = usize::try_from(i32::from_be_bytes(length)).ok().filter(|length| *length <= ANSWER_MAX);
    let mut answer = vec![0; length.ok_or_else(|| io::Error::other("the answer is too long"))?];
    stream.read_exact(&mut answer)?;
    let mut answer = Bytes::from(answer);
    let failed = |error: &dyn std::fmt::Display| io::Error::other(error.to_string());
    ResponseHeader::decode(&mut answer, ApiKey::Metadata.response_header_version(VERSION)).map_err(|e| failed(&e))?;
    let answer = MetadataResponse::decode(&mut answer, VERSION).map_err(|e| failed(&e))?;
    let found = answer.topics.first().filter(|found| found.error_code == 0);
    found.map(|found| *found.topic_id.as_bytes()).ok_or_else(|| io::Error::other("the broker knows no such topic"))
}

fn question(topic: &str) -> Result<Vec<u8>, String> {
    let name = TopicName(StrBytes::from_string(topic.to_owned()));
    let asked = MetadataRequest::default()
        .with_topics(Some(vec![MetadataRequestTopic::default().with_name(Some(name))]))
        .with_allow_auto_topic_creation(false);
    let header = RequestHeader::default()
        .with_request_api_key(ApiKey::Metadata as i16)
        .with_request_api_version(VERSION)
        .with_correlation_id(1)
        .with_client_id(Some(StrBytes::from_static_str("guildhall")));
    let mut body = BytesMut::new();
    header.encode(&mut body, ApiKey::Metadata.request_header_version(VERSION)).map_err(|e| e.to_string())?;
    asked.encode(&mut body, VERSION).map_err(|e| e.to_string())?;
    let length = i32::try_from(body.len()).map_err(|e| e.to_string())?;
    Ok([&length.to_be_bytes()[..], &body].concat())
}
