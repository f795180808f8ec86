//! The group's state machine, driven step by step with its own time.

use super::*;
use kafka_protocol::error::ResponseError as E;
use tokio::sync::oneshot::Receiver;

struct World {
    group: Group,
    now: Instant,
}

fn world() -> World {
    World { group: Group::new(Duration::ZERO, 3), now: Instant::now() }
}

fn request(member: &str) -> Join {
    Join {
        member: member.to_owned(),
        instance: None,
        session: Duration::from_secs(10),
        rebalance: Duration::from_secs(60),
        kind: "consumer".to_owned(),
        protocols: vec![("range".to_owned(), Bytes::from_static(b"topics"))],
        id_first: false,
        client: "test".to_owned(),
        host: "here".to_owned(),
    }
}

impl World {
    fn ask(&mut self, join: Join) -> Receiver<Joined> {
        let (reply, answer) = oneshot::channel();
        self.group.join(self.now, join, reply);
        answer
    }

    fn join(&mut self, join: Join) -> Joined {
        self.ask(join).try_recv().expect("the answer comes at once")
    }

    fn ask_sync(&mut self, joined: &Joined, assignments: &[(&str, &'static [u8])]) -> Receiver<Synced> {
        let (reply, answer) = oneshot::channel();
        let assignments = assignments.iter().map(|(member, bytes)| ((*member).to_owned(), Bytes::from_static(bytes))).collect();
        let sync = Sync { who: who(joined), kind: Some("consumer".to_owned()), protocol: Some("range".to_owned()), assignments };
        self.group.sync(self.now, sync, reply);
        answer
    }

    fn sync(&mut self, joined: &Joined, assignments: &[(&str, &'static [u8])]) -> Synced {
        self.ask_sync(joined, assignments).try_recv().expect("the answer comes at once")
    }

    fn beat(&mut self, joined: &Joined) -> Result<(), E> {
        self.group.heartbeat(self.now, &who(joined))
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.group.expire(self.now);
    }

    /// Two members, the first leads, both know their assignments.
    fn stable(&mut self) -> (Joined, Joined) {
        let one = self.join(request(""));
        self.sync(&one, &[(&one.member, b"all")]).unwrap();
        let mut two = self.ask(request(""));
        assert_eq!(self.beat(&one), Err(E::RebalanceInProgress));
        let one = self.join(request(&one.member));
        let two = two.try_recv().unwrap();
        let mut waiting = self.ask_sync(&two, &[]);
        assert!(waiting.try_recv().is_err(), "the leader has not assigned yet");
        self.sync(&one, &[(&one.member, b"first half"), (&two.member, b"second half")]).unwrap();
        assert_eq!(waiting.try_recv().unwrap().unwrap().bytes, "second half");
        (one, two)
    }
}

fn who(joined: &Joined) -> Who {
    Who { generation: joined.generation, member: joined.member.clone(), instance: None }
}

#[test]
fn a_second_member_raises_the_generation_and_both_get_what_the_leader_assigned() {
    let mut world = world();
    let (one, two) = world.stable();
    assert_eq!((one.generation, two.generation), (2, 2));
    assert_eq!(one.leader, one.member);
    assert_eq!(two.leader, one.member);
    assert_eq!(one.members.len(), 2, "the leader is told who is there");
    assert!(two.members.is_empty());
    assert_eq!(world.sync(&two, &[]).unwrap().bytes, "second half", "asking again changes nothing");
    assert_eq!((world.beat(&one), world.beat(&two)), (Ok(()), Ok(())));
    assert_eq!(world.group.describe().state, "Stable");
}

#[test]
fn a_silent_member_is_out_after_its_session_and_its_commits_are_refused() {
    let mut world = world();
    let (one, two) = world.stable();
    world.pass(6);
    world.beat(&one).unwrap();
    world.pass(6);
    assert_eq!(world.beat(&two), Err(E::UnknownMemberId));
    assert_eq!(world.group.may_commit(world.now, &who(&two)), Err(E::UnknownMemberId));
    assert_eq!(world.beat(&one), Err(E::RebalanceInProgress));
    let one = world.join(request(&one.member));
    assert_eq!((one.generation, one.members.len()), (3, 1));
}

#[test]
fn an_older_generation_may_neither_sync_nor_commit() {
    let mut world = world();
    let (one, _) = world.stable();
    let old = Joined { generation: 1, ..one.clone() };
    assert_eq!(world.sync(&old, &[]), Err(E::IllegalGeneration));
    assert_eq!(world.group.may_commit(world.now, &who(&old)), Err(E::IllegalGeneration));
    assert_eq!(world.group.may_commit(world.now, &who(&one)), Ok(()));
    assert_eq!(world.group.may_commit(world.now, &Who { generation: -1, ..Who::default() }), Err(E::UnknownMemberId));
}

#[test]
fn a_member_that_does_not_join_again_in_time_is_left_behind() {
    let mut world = world();
    let (one, two) = world.stable();
    let mut again = world.ask(Join { protocols: vec![("range".to_owned(), Bytes::from_static(b"more"))], ..request(&one.member) });
    for _ in 0..5 {
        world.pass(9);
        assert_eq!(world.beat(&two), Err(E::RebalanceInProgress));
        assert!(again.try_recv().is_err(), "two may still come");
    }
    world.pass(9);
    world.beat(&two).unwrap_err();
    world.pass(7);
    assert_eq!(again.try_recv().unwrap().members.len(), 1);
    assert_eq!(world.beat(&two), Err(E::UnknownMemberId));
}

#[test]
fn a_leader_that_never_assigns_is_out_and_the_next_one_leads() {
    let mut world = world();
    let (one, two) = world.stable();
    let mut left = world.ask(request(&one.member));
    let two = world.join(request(&two.member));
    left.try_recv().unwrap();
    let mut waiting = world.ask_sync(&two, &[]);
    for _ in 0..7 {
        world.pass(9);
        _ = world.beat(&one);
    }
    assert_eq!(waiting.try_recv().unwrap(), Err(E::RebalanceInProgress));
    let two = world.join(request(&two.member));
    assert_eq!((&two.leader, two.members.len()), (&two.member, 1));
}

#[test]
fn leaving_wakes_the_others_and_the_last_one_ends_the_group() {
    let mut world = world();
    let (one, two) = world.stable();
    world.group.leave(world.now, &one.member, None).unwrap();
    assert_eq!(world.group.leave(world.now, &one.member, None), Err(E::UnknownMemberId));
    let two = world.join(request(&two.member));
    assert_eq!(two.leader, two.member);
    world.group.leave(world.now, &two.member, None).unwrap();
    assert!(world.group.is_idle());
    assert_eq!(world.group.describe().state, "Empty");
}

#[test]
fn a_new_client_is_told_its_id_first_and_an_id_that_never_comes_back_holds_nobody_up() {
    let mut world = world();
    let told = world.join(Join { id_first: true, ..request("") });
    assert_eq!(told.error, Some(E::MemberIdRequired));
    let mut other = world.ask(request(""));
    assert!(other.try_recv().is_err(), "the first is still expected");
    world.pass(10);
    assert_eq!(other.try_recv().unwrap().members.len(), 1);
    assert_eq!(world.join(Join { id_first: true, ..request(&told.member) }).error, Some(E::UnknownMemberId));
}

#[test]
fn a_static_member_that_restarts_gets_its_assignment_back_and_disturbs_nobody() {
    let mut world = world();
    let named = |member: &str| Join { instance: Some("pod 1".to_owned()), ..request(member) };
    let one = world.join(named(""));
    world.sync(&one, &[(&one.member, b"all")]).unwrap();
    let back = world.join(named(""));
    assert_ne!(back.member, one.member);
    assert_eq!((back.error, back.generation), (None, 1));
    assert_eq!(world.sync(&back, &[]).unwrap().bytes, "all");
    assert_eq!(world.join(named(&one.member)).error, Some(E::FencedInstanceId));
    let fenced = Who { instance: Some("pod 1".to_owned()), ..who(&one) };
    assert_eq!(world.group.heartbeat(world.now, &fenced), Err(E::FencedInstanceId));
    assert_eq!(world.group.leave(world.now, "", Some("pod 1")), Ok(()));
    assert!(world.group.is_idle());
}

#[test]
fn who_shares_no_way_to_assign_or_is_one_too_many_is_refused() {
    let mut world = world();
    let (one, two) = world.stable();
    let sticky = vec![("sticky".to_owned(), Bytes::new())];
    assert_eq!(world.join(Join { protocols: sticky, ..request("") }).error, Some(E::InconsistentGroupProtocol));
    assert_eq!(world.join(Join { kind: "connect".to_owned(), ..request("") }).error, Some(E::InconsistentGroupProtocol));
    let mut third = world.ask(request(""));
    assert_eq!(world.join(request("")).error, Some(E::GroupMaxSizeReached));
    let mut again = world.ask(request(&two.member));
    world.join(request(&one.member));
    assert_eq!(third.try_recv().unwrap().generation, again.try_recv().unwrap().generation);
}
