-- The exchange's three tables and the triggers that write its event log.
--
-- Contract: the columns a reader outside may count on come first and in the documented order;
-- `cancel_reason` is the exchange's own and stands last. Rows of active_orders are never deleted.
--
-- market_events.seq is drawn when a row is written and shows when its transaction commits: it is
-- not in commit order, and who saw seq n may still see a lower one later (measured).

CREATE TABLE active_orders (
    order_id text PRIMARY KEY,
    owner_address text NOT NULL,
    signer_address text NOT NULL,
    subaccount_id numeric NOT NULL,
    recipient_id numeric NOT NULL,
    nonce numeric NOT NULL,
    side text NOT NULL,
    asset_address text NOT NULL,
    sub_id numeric NOT NULL,
    desired_amount text NOT NULL,
    filled_amount text NOT NULL DEFAULT '0',
    limit_price text NOT NULL,
    limit_price_ticks text NOT NULL,
    worst_fee text NOT NULL,
    expiry numeric NOT NULL,
    action_json jsonb NOT NULL,
    signature text NOT NULL,
    status text NOT NULL DEFAULT 'active',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    cancel_reason text NOT NULL DEFAULT '',
    CONSTRAINT active_orders_side_check CHECK (side IN ('buy', 'sell')),
    CONSTRAINT active_orders_status_check
        CHECK (status IN ('active', 'matching', 'filled', 'cancelled', 'expired'))
);
CREATE UNIQUE INDEX active_orders_owner_nonce_idx ON active_orders (owner_address, nonce);
CREATE INDEX active_orders_book_idx ON active_orders
    (asset_address, sub_id, side, status, (limit_price_ticks::numeric), created_at);

CREATE TABLE trade_fills (
    trade_id bigserial PRIMARY KEY,
    asset_address text NOT NULL,
    sub_id numeric NOT NULL,
    price text NOT NULL,
    size text NOT NULL,
    aggressor_side text NOT NULL CHECK (aggressor_side IN ('buy', 'sell')),
    taker_order_id text NOT NULL REFERENCES active_orders (order_id),
    maker_order_id text NOT NULL REFERENCES active_orders (order_id),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX trade_fills_market_idx ON trade_fills (asset_address, sub_id, trade_id DESC);

CREATE TABLE market_events (
    seq bigserial PRIMARY KEY,
    market_key text NOT NULL,
    channel text NOT NULL CHECK (channel IN ('book', 'trades', 'orders')),
    event_type text NOT NULL,
    owner_address text,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX market_events_channel_idx ON market_events (market_key, channel, seq);
CREATE INDEX market_events_age_idx ON market_events (created_at);

CREATE FUNCTION write_market_event(
    market_key text, channel text, event_type text, owner_address text, payload jsonb
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    new_seq bigint;
BEGIN
    INSERT INTO market_events (market_key, channel, event_type, owner_address, payload)
    VALUES (market_key, channel, event_type, owner_address, payload)
    RETURNING seq INTO new_seq;
    PERFORM pg_notify('market_events', new_seq::text);
END $$;

-- What an order adds to the book: nothing once it is over. `matching` is live.
CREATE FUNCTION open_size(status text, desired_amount text, filled_amount text)
RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN status IN ('active', 'matching')
           THEN desired_amount::numeric - filled_amount::numeric ELSE 0 END
$$;

CREATE FUNCTION active_orders_events() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    key text := NEW.asset_address || ':' || NEW.sub_id;
    open_after numeric := open_size(NEW.status, NEW.desired_amount, NEW.filled_amount);
    open_before numeric := 0;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.status = OLD.status AND NEW.filled_amount = OLD.filled_amount THEN
            RETURN NULL;
        END IF;
        open_before := open_size(OLD.status, OLD.desired_amount, OLD.filled_amount);
    END IF;
    IF open_after <> open_before THEN
        PERFORM write_market_event(key, 'book', 'level_delta', NULL,
            jsonb_build_object(
                'side', NEW.side, 'price_ticks', NEW.limit_price_ticks,
                'limit_price', NEW.limit_price, 'size_delta', (open_after - open_before)::text,
                'order_open', open_after::text, 'order_id', NEW.order_id));
    END IF;
    PERFORM write_market_event(key, 'orders', 'order_update', NEW.owner_address,
        jsonb_build_object(
            'order_id', NEW.order_id, 'status', NEW.status, 'side', NEW.side,
            'filled_amount', NEW.filled_amount, 'desired_amount', NEW.desired_amount,
            'limit_price', NEW.limit_price, 'price_ticks', NEW.limit_price_ticks));
    RETURN NULL;
END $$;
CREATE TRIGGER active_orders_events AFTER INSERT OR UPDATE ON active_orders
    FOR EACH ROW EXECUTE FUNCTION active_orders_events();

CREATE FUNCTION trade_fills_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM write_market_event(NEW.asset_address || ':' || NEW.sub_id, 'trades', 'fill', NULL,
        jsonb_build_object(
            'trade_id', NEW.trade_id, 'price', NEW.price, 'size', NEW.size,
            'aggressor_side', NEW.aggressor_side, 'taker_order_id', NEW.taker_order_id,
            'maker_order_id', NEW.maker_order_id, 'created_at', NEW.created_at));
    RETURN NULL;
END $$;
CREATE TRIGGER trade_fills_events AFTER INSERT ON trade_fills
    FOR EACH ROW EXECUTE FUNCTION trade_fills_events();
