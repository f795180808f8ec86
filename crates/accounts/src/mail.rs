//! Mail of accounts, opened and written out when it is sent. Refuses mail to erased accounts: their letters cannot be opened any more.

use crate::Accounts;
use crate::crypto::Field;
use crate::decide::credentials::Purpose;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use db::Error;
use kernel::UserId;
use std::fmt;

/// A mail ready to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// Where to.
    pub to: String,
    /// What about.
    pub subject: String,
    /// Plain text.
    pub text: String,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mail {{ subject: {:?}, to: hidden, text: hidden }}", self.subject)
    }
}

impl Accounts {
    /// Opens the payload of a `mail.send` announcement. None when nothing is to be sent: the account was erased or blocked since.
    ///
    /// # Errors
    /// The payload is not one of ours, its key is missing, or the database fails.
    pub async fn open_mail(&self, payload: &serde_json::Value) -> Result<Option<Mail>, Error> {
        let text = |field: &str| payload.get(field).and_then(serde_json::Value::as_str).ok_or_else(|| bad(field));
        let user: UserId = text("account")?.parse().map_err(|_| bad("account"))?;
        let purpose: Purpose = text("template")?.parse().map_err(|_| bad("template"))?;
        let sealed = STANDARD_NO_PAD.decode(text("sealed")?).map_err(|_| bad("sealed"))?;
        let Some(person) = self.personal_if_there(user).await? else { return Ok(None) };
        if person.state != crate::State::Active {
            return Ok(None);
        }
        let token = person.key.open(user, Field::MailToken, &sealed)?;
        let policy = &self.inner.policy;
        let at = if policy.public_url.is_empty() { "the store" } else { policy.public_url.as_str() };
        Ok(Some(written(purpose, person.email, &person.name, &token, at, policy)))
    }
}

fn written(purpose: Purpose, to: String, name: &str, token: &str, at: &str, policy: &crate::Policy) -> Mail {
    match purpose {
        Purpose::Reset => Mail {
            to,
            subject: "Reset your password".to_owned(),
            text: format!(
                "Hello {name},\n\nsomebody asked to reset the password of your account at {at}.\n\
                 If it was you, enter this code within {}:\n\n    {token}\n\n\
                 If it was not you, do nothing: your password stays as it is.\n",
                span(policy.reset_token_s)
            ),
        },
        Purpose::Confirm => Mail {
            to,
            subject: "Confirm your e-mail address".to_owned(),
            text: format!(
                "Hello {name},\n\nthis address was given for an account at {at}.\n\
                 If it was you, enter this code within {} to confirm it:\n\n    {token}\n\n\
                 If it was not you, do nothing.\n",
                span(policy.confirm_token_s)
            ),
        },
    }
}

/// Seconds as people say them, rounded down.
fn span(seconds: i64) -> String {
    match seconds {
        ..=119 => format!("{seconds} seconds"),
        120..=7199 => format!("{} minutes", seconds / 60),
        _ => format!("{} hours", seconds / 3600),
    }
}

fn bad(field: &str) -> Error {
    Error::Broken(format!("a mail.send payload has no {field} that can be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_said_in_the_largest_unit_that_fits() {
        assert_eq!([span(90), span(3600), span(172_800)], ["90 seconds", "60 minutes", "48 hours"]);
    }

    #[test]
    fn a_mail_is_not_printed() {
        let mail = Mail { to: "jane@example.com".to_owned(), subject: "s".to_owned(), text: "token".to_owned() };
        assert!(!format!("{mail:?}").contains("jane") && !format!("{mail:?}").contains("token"));
    }
}
