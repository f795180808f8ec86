//! HTTP of recipes: decode, call, reply.

use super::Recipes;
use super::decide::check_name;
use super::model::{Definition, Detail, ForGame, Listed, Recipe};
use accounts::{Accounts, Caller};
use axum::extract::{FromRef, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use kernel::{GameId, Page};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{Answer, Ask, Nothing, Operator, PageQuery, Path, Problem, Query, Reply};

pub(super) fn routes(recipes: Recipes) -> web::Routes {
    OpenApiRouter::new()
        .routes(routes!(list, register))
        .routes(routes!(detail, replace))
        .routes(routes!(retire))
        .routes(routes!(views))
        .routes(routes!(of_game))
        .routes(routes!(run))
        .with_state(recipes)
}

impl FromRef<Recipes> for Accounts {
    fn from_ref(recipes: &Recipes) -> Accounts {
        recipes.inner.accounts.clone()
    }
}

/// A recipe's name as it stands in a path.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Named(String);

impl TryFrom<String> for Named {
    type Error = String;
    fn try_from(name: String) -> Result<Named, String> {
        check_name(&name).map_err(|refusal| refusal.detail)?;
        Ok(Named(name))
    }
}

/// A new recipe.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "recipe": "top-players", "definition": {
    "description": "Players of a level and above, highest first",
    "sql": "select player, nickname, level from players where level >= :level",
    "parameters": [{ "name": "level", "type": "integer", "description": "the lowest level", "default": "1" }],
    "order": ["-level", "player"], "scopes": ["players:read"], "cache_s": 30, "allow_full_scan": true,
} }))]
struct NewBody {
    /// Its name: 2 to 40 of a-z, 0-9 and inner hyphens.
    recipe: String,
    /// What it does.
    definition: Definition,
}

/// The next version of a recipe.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "definition": {
    "description": "Players of a level and above, by name",
    "sql": "select player, nickname, level from players where level >= :level",
    "parameters": [{ "name": "level", "type": "integer", "description": "the lowest level", "default": "1" }],
    "order": ["player"], "scopes": ["players:read"], "cache_s": 30, "allow_full_scan": true,
} }))]
struct NextBody {
    /// What it does from now on.
    definition: Definition,
}

/// A view that recipes may read.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct ViewBody {
    /// Its name.
    #[schema(example = "players")]
    view: &'static str,
    /// What a row is.
    description: &'static str,
    /// Its columns.
    columns: Vec<ColumnBody>,
}

/// A column of a view.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct ColumnBody {
    /// Its name.
    #[schema(example = "nickname")]
    column: &'static str,
    /// What it says.
    description: &'static str,
}

/// All recipes by name, retired ones too, for operators.
#[utoipa::path(get, path = "/v1/recipes", tag = "recipes", security(("token" = [])), params(PageQuery), responses((status = 200, body = Page<Listed>)))]
async fn list(State(recipes): State<Recipes>, _: Operator, Query(query): Query<PageQuery>) -> Answer<Page<Listed>> {
    Reply::ok(recipes.list(query.cursor.as_ref(), query.size).await?)
}

/// Registers a recipe, for operators. The database checks it first: that it is one statement that only reads views, that its parameters
/// have their types, and that its plan reads no large table from end to end unless it is allowed to.
#[utoipa::path(post, path = "/v1/recipes", tag = "recipes", security(("token" = [])), request_body = NewBody, responses((status = 201, body = Recipe), (status = 409, body = web::ProblemBody), (status = 422, body = web::ProblemBody)))]
async fn register(State(recipes): State<Recipes>, operator: Operator, ask: Ask<NewBody>) -> Answer<Recipe> {
    Reply::created(recipes.register(ask.meta, operator.0.user, &ask.body.recipe, ask.body.definition, false).await?)
}

/// A recipe with its versions, how often each ran in the last 90 days and how long it took, for operators.
#[utoipa::path(get, path = "/v1/recipes/{recipe}", tag = "recipes", security(("token" = [])), params(("recipe" = String, Path)), responses((status = 200, body = Detail), (status = 404, body = web::ProblemBody)))]
async fn detail(State(recipes): State<Recipes>, _: Operator, Path(recipe): Path<Named>) -> Answer<Detail> {
    Reply::ok(recipes.detail(&recipe.0).await?)
}

/// Registers the next version of a recipe, for operators; it is checked as the first one was. It brings a retired recipe back.
#[utoipa::path(put, path = "/v1/recipes/{recipe}", tag = "recipes", security(("token" = [])), params(("recipe" = String, Path)), request_body = NextBody, responses((status = 200, body = Recipe), (status = 404, body = web::ProblemBody), (status = 422, body = web::ProblemBody)))]
async fn replace(State(recipes): State<Recipes>, operator: Operator, Path(recipe): Path<Named>, ask: Ask<NextBody>) -> Answer<Recipe> {
    Reply::ok(recipes.register(ask.meta, operator.0.user, &recipe.0, ask.body.definition, true).await?)
}

/// Lets a recipe run no more, for operators. Its versions stay.
#[utoipa::path(post, path = "/v1/recipes/{recipe}/retire", tag = "recipes", security(("token" = [])), params(("recipe" = String, Path)), request_body = Nothing, responses((status = 200, body = Recipe), (status = 404, body = web::ProblemBody), (status = 409, body = web::ProblemBody)))]
async fn retire(State(recipes): State<Recipes>, operator: Operator, Path(recipe): Path<Named>, ask: Ask<Nothing>) -> Answer<Recipe> {
    Reply::ok(recipes.retire(ask.meta, operator.0.user, &recipe.0).await?)
}

/// The views that recipes may read, with their columns, for operators. Each shows the rows of the game that the recipe is run for.
#[utoipa::path(get, path = "/v1/recipe-views", tag = "recipes", security(("token" = [])), responses((status = 200, body = Vec<ViewBody>)))]
async fn views(_: Operator) -> Answer<Vec<ViewBody>> {
    let columns = |columns: &'static [(&'static str, &'static str)]| {
        columns.iter().map(|(column, description)| ColumnBody { column, description }).collect()
    };
    let views = super::VIEWS.iter().map(|view| ViewBody { view: view.name, description: view.says, columns: columns(view.columns) });
    Reply::ok(views.collect())
}

/// The recipes that a game may run, for its team, operators, and keys with `recipes:run`.
#[utoipa::path(get, path = "/v1/games/{game}/recipes", tag = "recipes", security(("token" = [])), params(("game" = GameId, Path)), responses((status = 200, body = Vec<ForGame>)))]
async fn of_game(State(recipes): State<Recipes>, caller: Caller, Path(game): Path<GameId>) -> Answer<Vec<ForGame>> {
    recipes.may_run(&caller, &game).await?;
    Reply::ok(recipes.of_game(&game).await?)
}

/// Runs a recipe for a game, for its team, operators, and keys with `recipes:run` and the recipe's own scopes. Its parameters stand in
/// the query, beside `size`, `cursor` and `format` (json or csv; `Accept: text/csv` does as well). Each recipe has an entry of its own
/// in this description once it is registered. The header `next-cursor` says where the next page begins.
#[utoipa::path(get, path = "/v1/games/{game}/recipes/{recipe}", tag = "recipes", security(("token" = [])), params(("game" = GameId, Path), ("recipe" = String, Path)), responses((status = 200, body = Object, description = "`items`, an object per row, and `next`"), (status = 304, description = "It is what `If-None-Match` names"), (status = 400, body = web::ProblemBody), (status = 404, body = web::ProblemBody), (status = 504, body = web::ProblemBody)))]
async fn run(
    State(recipes): State<Recipes>,
    caller: Caller,
    Path((game, recipe)): Path<(GameId, Named)>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let answer = recipes.run(&caller, &game, &recipe.0, &query, text(header::ACCEPT)).await?;
    let known = text(header::IF_NONE_MATCH).is_some_and(|tags| tags.split(',').any(|tag| is_tag(tag, &answer.etag)));
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, answer.media_type)], answer.body.clone()).into_response()
    };
    // What one caller may read another may not: shared caches keep nothing.
    let control = if answer.max_age_s == 0 { "private, no-cache".to_owned() } else { format!("private, max-age={}", answer.max_age_s) };
    let mut set = |name: header::HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    };
    set(header::ETAG, &answer.etag);
    set(header::CACHE_CONTROL, &control);
    set(header::VARY, "accept, authorization");
    if let Some(next) = &answer.next {
        set(header::HeaderName::from_static("next-cursor"), &next.0);
    }
    Ok(response)
}

/// Whether a tag of `If-None-Match` names an answer; weak ones compare alike (RFC 9110).
fn is_tag(asked: &str, etag: &str) -> bool {
    let asked = asked.trim();
    asked == "*" || asked.strip_prefix("W/").unwrap_or(asked) == etag
}
