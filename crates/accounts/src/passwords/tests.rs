//! Tests of password hashes, at a cost that keeps them quick.

use super::*;
use std::sync::mpsc;

fn quick() -> Policy {
    Policy { argon2_memory_kib: 64, argon2_iterations: 1, ..Policy::default() }
}

#[tokio::test]
async fn a_password_fits_its_hash_and_no_other() {
    let passwords = Passwords::new(&quick());
    let hash = passwords.hash("correct horse").await.unwrap();
    assert!(passwords.verify("correct horse", Some(&hash)).await.unwrap());
    assert!(!passwords.verify("correct hors", Some(&hash)).await.unwrap());
    assert!(!passwords.verify("correct horse", None).await.unwrap(), "nobody has no password");
    assert_ne!(hash, passwords.hash("correct horse").await.unwrap(), "each hash has its own salt");
}

#[tokio::test]
async fn our_text_is_what_the_argon2_crate_reads() {
    use argon2::password_hash::{PasswordVerifier as _, phc::PasswordHash};
    let hash = Passwords::new(&quick()).hash("correct horse").await.unwrap();
    let parsed = PasswordHash::new(&hash).unwrap();
    assert!(argon2::Argon2::default().verify_password(b"correct horse", &parsed).is_ok());
    assert!(argon2::Argon2::default().verify_password(b"another horse", &parsed).is_err());
}

#[tokio::test]
async fn a_hash_of_an_older_policy_still_fits_and_is_told_apart() {
    let old = Passwords::new(&quick());
    let hash = old.hash("correct horse").await.unwrap();
    let new = Passwords::new(&Policy { argon2_memory_kib: 128, ..quick() });
    assert!(new.verify("correct horse", Some(&hash)).await.unwrap());
    assert!(new.is_outdated(&hash));
    assert!(!old.is_outdated(&hash));
}

#[test]
fn a_stored_cost_that_would_stop_the_server_is_no_hash() {
    let fine = Phc { cost: Cost { memory_kib: 64, iterations: 1 }, salt: [1; 16], hash: [2; 32] };
    assert_eq!(Phc::parse(&fine.to_string()), Some(fine.clone()));
    for bad in [
        fine.to_string().replace("m=64", "m=4000000000"),
        fine.to_string().replace("t=1", "t=1000"),
        fine.to_string().replace("argon2id", "argon2i"),
        format!("{fine}$"),
        String::new(),
    ] {
        assert_eq!(Phc::parse(&bad), None, "{bad}");
    }
}

#[tokio::test]
async fn a_full_queue_refuses_and_what_waits_is_done() {
    let passwords = Arc::new(Passwords::new(&quick()));
    let (release, held) = mpsc::sync_channel::<()>(0);
    let (started, begun) = oneshot::channel();
    let blocked = {
        let passwords = passwords.clone();
        tokio::spawn(async move {
            let work = move |_: &mut Vec<Block>| {
                let _ = started.send(());
                held.recv().unwrap();
            };
            passwords.run(work).await
        })
    };
    begun.await.unwrap();
    let waiting: Vec<_> = (0..WAITING_MAX)
        .map(|_| {
            let (answer, answered) = oneshot::channel();
            passwords.shared.waiting.lock().jobs.push_back(Box::new(|_| answer.send(()).unwrap_or_default()));
            answered
        })
        .collect();
    let refusal = passwords.hash("one too many").await.unwrap_err();
    assert_eq!(refusal.code, Code::Overloaded);
    release.send(()).unwrap();
    blocked.await.unwrap().unwrap();
    for answered in waiting {
        answered.await.unwrap();
    }
    assert!(passwords.hash("room again").await.is_ok());
}

#[tokio::test]
async fn a_panic_costs_one_answer_and_not_the_thread() {
    let passwords = Passwords::new(&quick());
    let refused = passwords.run(|_| -> () { panic!("on purpose") }).await;
    assert_eq!(refused.unwrap_err().code, Code::Unavailable);
    assert!(passwords.hash("still there").await.is_ok());
}
