-- +goose Up

-- Applications -------------------------------------------------------------

-- Members of registration that steer the protocol (latchkey.ClientProtocol).
ALTER TABLE clients ADD COLUMN protocol jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(protocol) = 'object');


-- Signing keys -------------------------------------------------------------


-- People -------------------------------------------------------------------


-- Authorizations and tokens ------------------------------------------------


-- Registration -------------------------------------------------------------


-- Signing out --------------------------------------------------------------


-- What applications use ----------------------------------------------------

