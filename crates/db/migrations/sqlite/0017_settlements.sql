-- What was settled is added up by days from this alone: a page of settlements reads its days and no others.
create index payment_settled on payment (settled_at, currency, amount, refunded) where settled_at is not null;
