//! `guildhall admin`: the first accounts and roles, and rotation of the personal-data key, by whoever runs the machine.

use super::Settings;
use super::start::{load_config, writing};
use crate::{App, secrets};
use clap::Subcommand;
use std::io::{BufRead as _, IsTerminal as _};
use std::process::ExitCode;
use web::{Role, Roles};

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Admin {
    /// Create an account; its password is read from standard input
    #[command(after_help = "Example: guildhall admin create-user ada@example.org --name Ada --role operator < password.txt")]
    CreateUser {
        /// E-mail address
        email: String,
        /// Name
        #[arg(long)]
        name: String,
        /// Role besides player: store_manager, operator, admin or points_provider; may be repeated
        #[arg(long = "role")]
        roles: Vec<Role>,
    },
    /// Give an account a role
    #[command(after_help = "Example: guildhall admin grant-role ada@example.org operator")]
    GrantRole {
        /// E-mail address of the account
        email: String,
        /// The role
        role: Role,
    },
    /// Erase accounts for good, as their people can do by themselves: after a restore, or when somebody asked by letter
    #[command(after_help = "Example: guildhall admin erase 01920f6e-7b1c-7d4e-9f00-2c5b8a6d1e3f")]
    Erase {
        /// Ids of the accounts
        #[arg(required = true, value_name = "ACCOUNT")]
        users: Vec<kernel::UserId>,
    },
    /// List announcements that failed too often and wait for a decision
    #[command(after_help = "Example: guildhall admin parked --resume")]
    Parked {
        /// Send them again, with all their attempts
        #[arg(long)]
        resume: bool,
    },
    /// Add a personal-data key and wrap every account's key with it
    #[command(after_help = "Example: guildhall admin rotate-key --db postgres://guildhall:secret@db/guildhall")]
    RotateKey,
    /// Print the fleet's token, for a service of your own that registers
    #[command(after_help = "Example: TOKEN=$(guildhall admin fleet-token)")]
    FleetToken,
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
pub(super) async fn run(settings: &Settings, admin: Admin) -> Result<ExitCode, String> {
    if matches!(admin, Admin::FleetToken) {
        let config = load_config(settings, Vec::new())?;
        let key = secrets::Secrets::load_token_key(&config.data.dir, |name| std::env::var(name).ok()).map_err(|e| e.to_string())?;
        println!("{}", registry::FleetToken::derive(key.reveal()).reveal());
        return Ok(ExitCode::SUCCESS);
    }
    if matches!(admin, Admin::RotateKey) {
        // Before anything is changed: that nobody else has the folder, and that all keys in use are at hand.
        let (app, lock) = writing(settings).await?;
        app.stop().await;
        let told = match secrets::rotate(&app.config.data.dir, |name| std::env::var(name).ok()).map_err(|e| e.to_string())? {
            secrets::Rotation::Made(id) => format!("personal-data key {id} was made and is the current one"),
            secrets::Rotation::Given(id) => format!("personal-data key {id}, the last of those given, is the current one"),
        };
        drop(lock);
        println!("{told}");
    }
    let (app, lock) = writing(settings).await?;
    let mut status = ExitCode::SUCCESS;
    let done = match admin {
        Admin::CreateUser { email, name, roles } => {
            let password = read_password()?;
            let roles = roles.into_iter().fold(Roles::default().with(Role::Player), Roles::with);
            app.accounts.create_user(&email, &password, &name, roles).await.map(|user| format!("account {user} was created"))
        }
        Admin::GrantRole { email, role } => {
            app.accounts.grant_role(&email, role).await.map(|user| format!("account {user} has the role {} now", role.as_str()))
        }
        Admin::Erase { users } => erase(&app, &users).await.map(|(lines, all)| {
            status = if all { ExitCode::SUCCESS } else { ExitCode::FAILURE };
            lines
        }),
        Admin::Parked { resume } => parked(&app, resume).await,
        Admin::RotateKey => rotate_keys(&app).await,
        Admin::FleetToken => unreachable!("it was printed above, without a database"),
    };
    app.stop().await;
    drop(lock);
    println!("{}", done.map_err(|e| e.to_string())?);
    Ok(status)
}

/// One after the other; whose turn ends in a refusal is told, and the others go on. Whether all are gone comes along.
async fn erase(app: &App, users: &[kernel::UserId]) -> Result<(String, bool), db::Error> {
    let mut lines = Vec::with_capacity(users.len());
    let mut all = true;
    for user in users {
        match app.accounts.erase_account(*user).await {
            Ok(()) => lines.push(format!("account {user} is erased")),
            Err(db::Error::Refused(refusal)) => {
                all = false;
                lines.push(format!("account {user} is left as it was: {}", refusal.detail));
            }
            Err(error) => return Err(error),
        }
    }
    Ok((lines.join("\n"), all))
}

/// A line for each, and what was done about them; a thousand at a time.
async fn parked(app: &App, resume: bool) -> Result<String, db::Error> {
    let outbox =
        app.outbox.as_ref().ok_or_else(|| db::Error::Broken("this process serves no outbox: server.services leaves it out".to_owned()))?;
    let parked = outbox.parked().await?;
    let line = |row: &outbox::Parked| {
        format!("{}  {}  {}  {} v{}  {} attempts\n", row.id, row.at, row.topic, row.aggregate, row.version, row.attempts)
    };
    let lines: String = parked.iter().map(line).collect();
    if !resume {
        return Ok(format!("{lines}{} announcements are parked; --resume sends them again", parked.len()));
    }
    let ids: Vec<_> = parked.iter().map(|row| row.id).collect();
    let resumed = if ids.is_empty() { 0 } else { outbox.resume(&ids).await? };
    Ok(format!("{lines}{resumed} announcements are sent again"))
}

async fn rotate_keys(app: &App) -> Result<String, db::Error> {
    let accounts = app.accounts.rotate_personal_key(|_| {}).await?;
    let secrets = app.webhooks.rotate_personal_key().await?;
    Ok(format!(
        "{} accounts looked at, {} keys wrapped anew, {} secrets of webhooks sealed anew, {} unreadable; restart the servers",
        accounts.accounts,
        accounts.rewrapped,
        secrets.resealed,
        accounts.unreadable + secrets.unreadable
    ))
}

fn read_password() -> Result<String, String> {
    if std::io::stdin().is_terminal() {
        eprintln!("password (it will be shown as you type):");
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(|e| format!("standard input: {e}"))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
