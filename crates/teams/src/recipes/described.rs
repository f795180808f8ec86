//! Registered recipes in the API's description: an operation each, with its parameters and columns, made when it is asked for.
//! Refuses to show the statement: callers need the question and not how it is answered.

use super::Recipes;
use super::decide::kind_name;
use super::model::ForGame;
use db::Error;
use db::visitor::Kind;
use serde_json::{Value as Json, json};

impl Recipes {
    /// Paths and their items, as they stand in an OpenAPI description.
    ///
    /// # Errors
    /// The database fails.
    pub async fn described(&self) -> Result<Vec<(String, Json)>, Error> {
        let active = self.active().await?;
        let all = active.iter().map(|(shown, definition)| {
            let games: Vec<&str> = definition.games.iter().map(kernel::GameId::as_str).collect();
            (format!("/v1/games/{{game}}/recipes/{}", shown.recipe), item(shown, &games))
        });
        Ok(all.collect())
    }
}

fn item(recipe: &ForGame, games: &[&str]) -> Json {
    let mut parameters = vec![json!({ "name": "game", "in": "path", "required": true, "schema": game(games) })];
    for parameter in &recipe.parameters {
        let mut schema = schema(parameter.kind);
        if let Some(default) = &parameter.default {
            schema["default"] = typed(parameter.kind, default);
        }
        parameters.push(json!({
            "name": parameter.name, "in": "query", "required": parameter.default.is_none(), "schema": schema,
            "description": if parameter.description.is_empty() { kind_name(parameter.kind) } else { &parameter.description },
        }));
    }
    let size = json!({ "type": "integer", "minimum": 1, "maximum": recipe.row_limit, "default": recipe.row_limit });
    parameters.push(json!({ "name": "size", "in": "query", "schema": size, "description": "Rows per page." }));
    parameters
        .push(json!({ "name": "cursor", "in": "query", "schema": { "type": "string" }, "description": "`next` of the page before." }));
    parameters.push(json!({ "name": "format", "in": "query", "schema": { "type": "string", "enum": ["json", "csv"], "default": "json" } }));
    let scopes: Vec<&str> = recipe.scopes.iter().map(|scope| scope.as_str()).collect();
    let needs = format!("Needs the scope recipes:run{}{}.", if scopes.is_empty() { "" } else { " and " }, scopes.join(", "));
    let problem = json!({ "description": "A problem, with its code and what would be right",
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } } });
    json!({ "get": {
        "tags": ["recipes"],
        "operationId": format!("recipes_run_{}", recipe.recipe.replace('-', "_")),
        "summary": recipe.description,
        "description": format!("Recipe {}, version {}. {needs}", recipe.recipe, recipe.version),
        "parameters": parameters,
        "security": [{ "token": [] }],
        "responses": { "200": { "description": "A page of rows", "content": content(recipe) }, "304": { "description": "Not Modified" }, "default": problem },
    } })
}

fn content(recipe: &ForGame) -> Json {
    let columns: serde_json::Map<String, Json> = recipe.columns.iter().map(|column| (column.clone(), json!({}))).collect();
    json!({
        "application/json": {
            "schema": { "type": "object", "required": ["recipe", "version", "items"], "properties": {
                "recipe": { "type": "string" },
                "version": { "type": "integer" },
                "items": { "type": "array", "items": { "type": "object", "properties": columns } },
                "next": { "type": "string", "description": "Pass it as `cursor` to get the page after this one; not there on the last page." },
            } },
            "example": { "recipe": recipe.recipe, "version": recipe.version, "items": [] },
        },
        "text/csv": { "schema": { "type": "string" }, "example": format!("{}\r\n", recipe.columns.join(",")) },
    })
}

fn game(games: &[&str]) -> Json {
    if games.is_empty() { json!({ "type": "string", "example": "kartrider" }) } else { json!({ "type": "string", "enum": games }) }
}

fn schema(kind: Kind) -> Json {
    match kind {
        Kind::Text => json!({ "type": "string", "maxLength": super::decide::TEXT_MAX }),
        Kind::Integer => json!({ "type": "integer", "format": "int64" }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Instant => json!({ "type": "string", "format": "date-time" }),
    }
}

fn typed(kind: Kind, text: &str) -> Json {
    match kind {
        Kind::Integer => text.parse::<i64>().map_or_else(|_| json!(text), Json::from),
        Kind::Boolean => json!(text == "true" || text == "1"),
        Kind::Text | Kind::Instant => json!(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_tells_parameters_columns_and_limits() {
        let recipe: ForGame = ForGame {
            recipe: "top-players".to_owned(),
            version: 2,
            description: "Players of a level and above".to_owned(),
            parameters: serde_json::from_value(
                json!([{ "name": "level", "type": "integer", "default": "7" }, { "name": "since", "type": "instant" }]),
            )
            .unwrap(),
            scopes: [accounts::Scope::PlayersRead].into(),
            columns: vec!["player".to_owned(), "level".to_owned()],
            order: vec![],
            row_limit: 50,
            cache_s: 0,
        };
        let operation = &item(&recipe, &["kart"])["get"];
        assert_eq!(operation["operationId"], "recipes_run_top_players");
        assert_eq!(operation["parameters"][0]["schema"]["enum"], json!(["kart"]));
        assert_eq!(operation["parameters"][1]["schema"]["default"], 7);
        assert_eq!((&operation["parameters"][1]["required"], &operation["parameters"][2]["required"]), (&json!(false), &json!(true)));
        assert_eq!(operation["parameters"][3]["schema"]["maximum"], 50);
        assert!(operation["description"].as_str().unwrap().contains("recipes:run and players:read"));
        assert_eq!(operation["responses"]["200"]["content"]["text/csv"]["example"], "player,level\r\n");
    }
}
