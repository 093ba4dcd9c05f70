module github.com/sallyport-dev/sallyport/sdk/go

go 1.26.0
