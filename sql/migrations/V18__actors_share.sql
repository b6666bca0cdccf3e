-- Which of the tokens that were taken back were so by who acts for their account: of these there may be fewer, so that the account
-- itself never finds its room used up by others. Of those of before nobody knows; they expire within minutes.
ALTER TABLE revoked_token ADD by_actor boolean NOT NULL DEFAULT false;
