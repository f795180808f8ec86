//! Every request at every advertised version over a real connection, and frames no client would send.

mod requests;

use super::{shape, versions};
use crate::{Broker, Limits, NewRecord, Options, Server};
use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{self as m, ApiKey, RequestHeader, RequestKind, ResponseHeader, ResponseKind};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use requests::request;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

struct World {
    log: Broker,
    address: String,
    _folder: tempfile::TempDir,
}

async fn world() -> World {
    world_with(Limits::default()).await
}

async fn world_with(limits: Limits) -> World {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { rebalance_delay_ms: 0, limits, ..Options::default() };
    let log = Broker::open(folder.path(), options).await.unwrap();
    let server = Server::bind(log.clone(), "127.0.0.1:0").await.unwrap();
    let address = server.address().to_string();
    tokio::spawn(server.run(std::future::pending()));
    World { log, address, _folder: folder }
}

fn frame(key: ApiKey, version: i16, body: &RequestKind) -> BytesMut {
    let mut frame = BytesMut::new();
    frame.put_i32(0);
    let header = RequestHeader::default().with_request_api_key(key as i16).with_request_api_version(version).with_correlation_id(77);
    header.with_client_id(Some(StrBytes::from_static_str("test"))).encode(&mut frame, key.request_header_version(version)).unwrap();
    body.encode(&mut frame, version).unwrap();
    let length = i32::try_from(frame.len() - 4).unwrap();
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame
}

async fn read(stream: &mut TcpStream) -> Option<Bytes> {
    let length = tokio::time::timeout(Duration::from_secs(20), stream.read_i32()).await.expect("an answer or an end comes").ok()?;
    let mut answer = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut answer).await.ok()?;
    Some(Bytes::from(answer))
}

/// Sends a request and decodes its answer to the last byte.
async fn ask(stream: &mut TcpStream, key: ApiKey, version: i16, body: &RequestKind) -> ResponseKind {
    stream.write_all(&frame(key, version, body)).await.unwrap();
    let mut answer = read(stream).await.unwrap_or_else(|| panic!("{key:?} version {version} ended the connection"));
    let header = ResponseHeader::decode(&mut answer, key.response_header_version(version)).unwrap();
    assert_eq!(header.correlation_id, 77);
    let decoded = ResponseKind::decode(key, &mut answer, version).unwrap_or_else(|error| panic!("{key:?} version {version}: {error}"));
    assert!(answer.is_empty(), "{key:?} version {version}: {} bytes are left over", answer.len());
    decoded
}

#[tokio::test(flavor = "multi_thread")]
async fn every_advertised_version_of_every_request_is_answered() {
    let mut asked = 0;
    for &(key, first, last) in versions::APIS {
        // Each version meets a log in the same state.
        for version in first.max(if key == ApiKey::Produce { 3 } else { 0 })..=last {
            let world = world().await;
            let topic = world.log.create_topic("t", 2).await.unwrap();
            world.log.append("t", 0, &[NewRecord { key: None, value: b"first" }]).await.unwrap();
            world.log.commit("simple", "t", 0, 3).await.unwrap();
            let mut stream = TcpStream::connect(&world.address).await.unwrap();
            let mut member = StrBytes::default();
            if matches!(key, ApiKey::SyncGroup | ApiKey::Heartbeat | ApiKey::LeaveGroup | ApiKey::DescribeGroups | ApiKey::ListGroups) {
                let joined = ask(&mut stream, ApiKey::JoinGroup, 3, &request(ApiKey::JoinGroup, 3, topic.id, &member)).await;
                let ResponseKind::JoinGroup(joined) = joined else { panic!("{joined:?}") };
                member = joined.member_id;
            }
            let answer = ask(&mut stream, key, version, &request(key, version, topic.id, &member)).await;
            expect(key, version, &answer, topic.id);
            asked += 1;
        }
    }
    assert!(asked > 120, "{asked} versions were asked");
}

/// What of each answer must be so, whatever the version.
fn expect(key: ApiKey, version: i16, answer: &ResponseKind, topic: uuid::Uuid) {
    let place = format!("{key:?} version {version}: {answer:?}");
    match answer {
        ResponseKind::Produce(answer) => {
            let topic_answer = &answer.responses[0];
            assert_eq!(
                (topic_answer.partition_responses[0].error_code, topic_answer.partition_responses[0].base_offset),
                (0, 1),
                "{place}"
            );
            assert_eq!(topic_answer.topic_id == topic, version >= 13, "{place}");
        }
        ResponseKind::Fetch(answer) => {
            let partition = &answer.responses[0].partitions[0];
            assert_eq!((partition.error_code, partition.high_watermark), (0, 1), "{place}");
            assert!(partition.records.as_ref().unwrap().ends_with(b"first\0"), "{place}");
        }
        ResponseKind::ListOffsets(answer) => {
            let offsets: Vec<_> = answer.topics[0].partitions.iter().map(|row| (row.error_code, row.offset)).collect();
            assert_eq!(offsets, [(0, 1), (0, 0), (0, 0), (0, 0), (0, -1), (0, 0)], "{place}");
        }
        ResponseKind::Metadata(answer) => {
            assert_eq!(answer.brokers.len(), 1, "{place}");
            let errors: Vec<_> = answer.topics.iter().map(|row| (row.error_code, row.partitions.len())).collect();
            assert_eq!(errors, if version >= 12 { vec![(0, 2), (3, 0), (100, 0)] } else { vec![(0, 2), (3, 0)] }, "{place}");
        }
        ResponseKind::OffsetCommit(answer) => assert_eq!(answer.topics[0].partitions[0].error_code, 0, "{place}"),
        ResponseKind::OffsetFetch(answer) if version >= 8 => {
            let offsets =
                |group: usize| answer.groups[group].topics[0].partitions.iter().map(|row| row.committed_offset).collect::<Vec<_>>();
            assert_eq!((offsets(0), offsets(1)), (vec![3, -1], vec![3]), "{place}");
        }
        ResponseKind::OffsetFetch(answer) => {
            assert_eq!(answer.topics[0].partitions.iter().map(|row| row.committed_offset).collect::<Vec<_>>(), [3, -1], "{place}");
        }
        ResponseKind::FindCoordinator(answer) if version >= 4 => {
            assert_eq!((answer.coordinators.len(), answer.coordinators[0].node_id.0), (2, 1), "{place}")
        }
        ResponseKind::FindCoordinator(answer) => assert_eq!((answer.error_code, answer.node_id.0), (0, 1), "{place}"),
        ResponseKind::JoinGroup(answer) => assert_eq!(answer.error_code, if version >= 4 { 79 } else { 0 }, "{place}"),
        ResponseKind::Heartbeat(answer) => assert_eq!(answer.error_code, 0, "{place}"),
        ResponseKind::SyncGroup(answer) => assert_eq!((answer.error_code, &answer.assignment[..]), (0, &b"all"[..]), "{place}"),
        ResponseKind::LeaveGroup(answer) => {
            assert_eq!((answer.error_code, answer.members.len()), (0, usize::from(version >= 3)), "{place}")
        }
        ResponseKind::DescribeGroups(answer) => {
            let states: Vec<_> = answer.groups.iter().map(|group| (group.error_code, group.group_state.as_str())).collect();
            assert_eq!(states, [(0, "CompletingRebalance"), (0, "Empty"), (if version >= 6 { 69 } else { 0 }, "Dead")], "{place}");
        }
        ResponseKind::ListGroups(answer) => assert_eq!((answer.error_code, answer.groups.len()), (0, 2), "{place}"),
        ResponseKind::ApiVersions(answer) => assert_eq!((answer.error_code, answer.api_keys.len()), (0, versions::APIS.len()), "{place}"),
        ResponseKind::CreateTopics(answer) => {
            assert_eq!(answer.topics.iter().map(|row| row.error_code).collect::<Vec<_>>(), [0, 17], "{place}")
        }
        ResponseKind::DeleteTopics(answer) => {
            let unknown = if version >= 6 { 100 } else { 3 };
            assert_eq!(answer.responses.iter().map(|row| row.error_code).collect::<Vec<_>>(), [3, unknown], "{place}");
        }
        ResponseKind::InitProducerId(answer) => assert!(answer.error_code == 0 && answer.producer_id.0 >= 1_000, "{place}"),
        ResponseKind::DescribeConfigs(answer) => {
            let rows: Vec<_> = answer.results.iter().map(|row| (row.error_code, row.configs.len())).collect();
            assert_eq!(rows, [(0, 8), (0, 1), (3, 0)], "{place}");
        }
        ResponseKind::DeleteGroups(answer) => {
            assert_eq!(answer.results.iter().map(|row| row.error_code).collect::<Vec<_>>(), [69, 69], "{place}")
        }
        other => panic!("{other:?} was not expected"),
    }
}

#[test]
fn the_shape_of_every_request_ends_where_the_request_ends() {
    let member = StrBytes::from_static_str("member");
    for &(key, first, last) in versions::APIS {
        for version in first.max(if key == ApiKey::Produce { 3 } else { 0 })..=last {
            let mut body = BytesMut::new();
            request(key, version, uuid::Uuid::from_u128(3), &member).encode(&mut body, version).unwrap();
            assert_eq!(shape::walk(key, version, &body, 100).map_err(|bad| bad.to_string()), Ok(0), "{key:?} version {version}");
            for cut in 0..body.len() {
                let cut_off = shape::walk(key, version, &body[..cut], 100);
                assert!(cut_off.is_err(), "{key:?} version {version} cut at {cut} of {}", body.len());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn old_produce_requests_are_refused_in_their_own_form() {
    let world = world().await;
    for version in 0..3i16 {
        let mut stream = TcpStream::connect(&world.address).await.unwrap();
        let mut body = BytesMut::new();
        body.put_i16(0);
        body.put_i16(version);
        body.put_i32(77);
        body.put_i16(-1);
        body.put_i16(-1);
        body.put_i32(1_000);
        body.put_i32(1);
        body.put_i16(1);
        body.put_slice(b"t");
        body.put_i32(1);
        body.put_i32(0);
        body.put_i32(3);
        body.put_slice(b"old");
        stream.write_i32(i32::try_from(body.len()).unwrap()).await.unwrap();
        stream.write_all(&body).await.unwrap();
        let mut expected = BytesMut::new();
        expected.put_i32(77);
        expected.put_i32(1);
        expected.put_i16(1);
        expected.put_slice(b"t");
        expected.put_i32(1);
        expected.put_i32(0);
        expected.put_i16(43);
        expected.put_i64(-1);
        if version == 2 {
            expected.put_i64(-1);
        }
        if version >= 1 {
            expected.put_i32(0);
        }
        assert_eq!(read(&mut stream).await.unwrap(), expected, "version {version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_from_the_future_is_told_which_there_are() {
    let world = world().await;
    let mut stream = TcpStream::connect(&world.address).await.unwrap();
    let mut body = BytesMut::new();
    body.put_i16(18);
    body.put_i16(99);
    body.put_i32(77);
    body.put_i16(-1);
    body.put_u8(0);
    stream.write_i32(i32::try_from(body.len()).unwrap()).await.unwrap();
    stream.write_all(&body).await.unwrap();
    let mut answer = read(&mut stream).await.unwrap();
    assert_eq!(ResponseHeader::decode(&mut answer, 0).unwrap().correlation_id, 77);
    let answer = m::ApiVersionsResponse::decode(&mut answer, 0).unwrap();
    assert_eq!((answer.error_code, answer.api_keys.len()), (35, versions::APIS.len()));
}

/// Numbers that look random and are the same for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next()).unwrap() % limit.max(1)
    }
}

/// A good frame with some bytes changed, cut or added; or nothing but noise.
fn mangled(random: &mut Random, topic: uuid::Uuid) -> BytesMut {
    let (key, first, last) = versions::APIS[random.below(versions::APIS.len())];
    let first = if key == ApiKey::Produce { 3 } else { first };
    let version = first + i16::try_from(random.below(usize::try_from(last - first + 1).unwrap())).unwrap();
    let mut frame = frame(key, version, &request(key, version, topic, &StrBytes::from_static_str("m")));
    if random.below(10) == 0 {
        frame.truncate(8);
        frame.extend((0..=random.below(200)).map(|_| random.next().to_le_bytes()[0]));
    }
    for _ in 0..random.below(4) {
        let place = 8 + random.below(frame.len() - 8);
        frame[place] = match random.below(4) {
            0 => 0xff,
            1 => 0x7f,
            2 => 0,
            _ => random.next().to_le_bytes()[0],
        };
    }
    if random.below(5) == 0 {
        let keep = 9 + random.below(frame.len() - 8);
        frame.truncate(keep);
    }
    let length = i32::try_from(frame.len() - 4).unwrap();
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame
}

#[tokio::test(flavor = "multi_thread")]
async fn no_frame_ends_the_process_or_another_connection() {
    let seed = std::env::var("GUILDHALL_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_121);
    println!("GUILDHALL_TEST_SEED={seed}");
    let mut random = Random(seed);
    let world = world().await;
    let topic = world.log.create_topic("t", 2).await.unwrap();
    let mut witness = TcpStream::connect(&world.address).await.unwrap();
    for round in 0..2_000 {
        let mut stream = TcpStream::connect(&world.address).await.unwrap();
        for _ in 0..10 {
            // A connection may be closed in the middle: that is the right answer to most of these.
            _ = stream.write_all(&mangled(&mut random, topic.id)).await;
        }
        _ = stream.shutdown().await;
        let mut rest = Vec::new();
        _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut rest)).await.expect("the connection ends");
        if round % 50 == 0 {
            let answer = ask(&mut witness, ApiKey::ApiVersions, 4, &m::ApiVersionsRequest::default().into()).await;
            assert!(matches!(answer, ResponseKind::ApiVersions(answer) if answer.error_code == 0));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_claims_too_much_closes_its_connection() {
    let world = world().await;
    for length in [i32::MAX, -1, (32 << 20) + 1] {
        let mut stream = TcpStream::connect(&world.address).await.unwrap();
        stream.write_i32(length).await.unwrap();
        assert_eq!(read(&mut stream).await, None, "{length}");
    }
    // Four bytes that claim two thousand million topics.
    let mut stream = TcpStream::connect(&world.address).await.unwrap();
    let mut body = BytesMut::new();
    body.put_i16(3);
    body.put_i16(1);
    body.put_i32(77);
    body.put_i16(-1);
    body.put_i32(2_000_000_000);
    stream.write_i32(i32::try_from(body.len()).unwrap()).await.unwrap();
    stream.write_all(&body).await.unwrap();
    assert_eq!(read(&mut stream).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_too_many_is_closed_at_once_and_its_place_can_be_taken_again() {
    let world = world_with(Limits { connections_max: 1, ..Limits::default() }).await;
    let versions: RequestKind = m::ApiVersionsRequest::default().into();
    let mut first = TcpStream::connect(&world.address).await.unwrap();
    ask(&mut first, ApiKey::ApiVersions, 0, &versions).await;
    let mut second = TcpStream::connect(&world.address).await.unwrap();
    assert_eq!(read(&mut second).await, None);
    drop(first);
    let mut third = TcpStream::connect(&world.address).await.unwrap();
    while third.write_all(&frame(ApiKey::ApiVersions, 0, &versions)).await.is_err() || read(&mut third).await.is_none() {
        third = TcpStream::connect(&world.address).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_come_in_the_order_of_their_requests_while_appends_share_their_way_to_disk() {
    let world = world().await;
    let topic = world.log.create_topic("t", 2).await.unwrap();
    let mut stream = TcpStream::connect(&world.address).await.unwrap();
    let produce = request(ApiKey::Produce, 9, topic.id, &StrBytes::default());
    let mut frames = BytesMut::new();
    for _ in 0..40 {
        frames.extend_from_slice(&frame(ApiKey::Produce, 9, &produce));
        frames.extend_from_slice(&frame(ApiKey::Heartbeat, 4, &request(ApiKey::Heartbeat, 4, topic.id, &StrBytes::default())));
    }
    stream.write_all(&frames).await.unwrap();
    for offset in 0..40 {
        let mut answer = read(&mut stream).await.unwrap();
        ResponseHeader::decode(&mut answer, 1).unwrap();
        let produced = m::ProduceResponse::decode(&mut answer, 9).unwrap();
        assert_eq!(produced.responses[0].partition_responses[0].base_offset, offset);
        let mut answer = read(&mut stream).await.unwrap();
        ResponseHeader::decode(&mut answer, 1).unwrap();
        assert_eq!(m::HeartbeatResponse::decode(&mut answer, 4).unwrap().error_code, 25);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_waits_for_data_and_comes_back_with_it() {
    let world = world().await;
    let topic = world.log.create_topic("t", 2).await.unwrap();
    let mut stream = TcpStream::connect(&world.address).await.unwrap();
    let RequestKind::Fetch(fetch) = request(ApiKey::Fetch, 12, topic.id, &StrBytes::default()) else { panic!() };
    stream.write_all(&frame(ApiKey::Fetch, 12, &fetch.with_max_wait_ms(20_000).into())).await.unwrap();
    // Whether it waits already or not, the append answers it.
    world.log.append("t", 0, &[NewRecord { key: None, value: b"first" }]).await.unwrap();
    let mut answer = read(&mut stream).await.unwrap();
    ResponseHeader::decode(&mut answer, 1).unwrap();
    expect(ApiKey::Fetch, 12, &ResponseKind::decode(ApiKey::Fetch, &mut answer, 12).unwrap(), topic.id);
}
