//! Players, currencies, banners and recipes of games: what game teams read and change with their API keys.
//! Refuses a key of another game or without the scope.
